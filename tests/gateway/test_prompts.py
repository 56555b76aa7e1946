"""`ql prompt`: what models are told, shown and checked without a server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workers
from gateway.cli import prompts
from gateway.cli.exits import FAILED, USAGE, CliError

QL = str(Path(sys.executable).parent / "ql")
ROLE = "kit/prompts/roles/sql_specialist.md"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of our tree, as far as prompts go."""
    kept = shutil.ignore_patterns("*.py", "*.pyc", "*.sql", "__pycache__")
    shutil.copytree(Path(workers.__file__).parent, tmp_path / "workers", ignore=kept)
    return tmp_path


def edit(tree: Path, old: str, new: str) -> None:
    path = tree / "workers" / ROLE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_command_is_there_and_needs_no_server() -> None:
    ran = subprocess.run([QL, "prompt", "test"], capture_output=True, timeout=60, check=False, env={})
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(b"  ok\n") > 50
    ran = subprocess.run([QL, "prompt", "show", "nobody", "--json"], capture_output=True, timeout=60, check=False)
    assert ran.returncode == USAGE
    assert json.loads(ran.stdout)["code"] == "id"


def test_list_tells_versions_and_hashes(capsys: pytest.CaptureFixture[str]) -> None:
    prompts.list_(as_json=True)
    listed = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["sql_specialist"]["kind"] == "role"
    assert listed["code_generation"]["path"] == "code_generation/prompt.md"
    prompts.list_(as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["KIND", "ID", "VERSION", "TOKENS", "SHA256", "PURPOSE"]
    assert len(lines) == len(listed) + 1
    (line,) = [line for line in lines if " sql_specialist " in line]
    assert line.split()[2:5] == ["1", str(listed["sql_specialist"]["tokens"]), listed["sql_specialist"]["sha256"][:12]]


def test_show_fills_in_samples_and_looks_no_further(capsys: pytest.CaptureFixture[str]) -> None:
    prompts.show("answer_again", as_json=False)
    said = capsys.readouterr()
    assert "can't be used: a {{sample}} of\n" in said.out
    assert said.err == "kit/prompts/templates/answer_again.md: takes: fault (text)\n"
    prompts.show("sql_specialist", as_json=False)
    picked = "tasks: code_generation; language: sql; models: default; temperature: 0.1"
    assert capsys.readouterr().err == f"{ROLE}: {picked}\n"
    prompts.show("tester", as_json=True)
    assert json.loads(capsys.readouterr().out)["text"].startswith("# Role: tester, version 1\n\nYou are")


def test_equal_trees_do_not_differ(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts.diff(tree, "", as_json=False)
    assert capsys.readouterr().out == ""


def test_a_change_needs_a_new_version(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(tree, "You are an SQL specialist.", "You are a plumber.")
    with pytest.raises(CliError, match="without a new version: sql_specialist") as raised:
        prompts.diff(tree, "", as_json=False)
    assert raised.value.status == FAILED
    said = capsys.readouterr().out
    assert said.startswith("same version: role sql_specialist 1 -> 1\n")
    assert "\n-You are a plumber." in said
    assert "\n+You are an SQL specialist." in said
    prompts.diff(tree, "tester", as_json=False)
    edit(tree, "version: 1", "version: 7")
    prompts.diff(tree, "", as_json=True)
    (change,) = json.loads(capsys.readouterr().out)
    assert (change["change"], change["versions"]) == ("changed", "7 -> 1")


def test_an_id_where_a_folder_belongs_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="is no folder; the first argument is another tree"):
        prompts.diff(tmp_path / "repairer", "", as_json=False)


def test_what_came_and_what_went(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "workers" / ROLE).rename(tree / "workers/kit/prompts/roles/plumber.md")
    edit_id = tree / "workers/kit/prompts/roles/plumber.md"
    edit_id.write_text(edit_id.read_text().replace("id: sql_specialist", "id: plumber"))
    prompts.diff(tree, "", as_json=False)
    assert capsys.readouterr().out == "gone: role plumber\nnew: role sql_specialist\n"


def test_test_ends_with_failure_and_names_the_file(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompts.check(tree, as_json=False)
    assert " ok" in capsys.readouterr().out
    edit(tree, "temperature: 0.1", "temperature: hot")
    with pytest.raises(CliError, match=f"1 of .* not as they have to be\n{ROLE}: .*temperature") as raised:
        prompts.check(tree / "workers", as_json=True)
    assert raised.value.status == FAILED
    assert [row["id"] for row in json.loads(capsys.readouterr().out) if row["problem"]] == ["sql_specialist"]


def test_a_folder_without_prompts_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="holds no prompts") as raised:
        prompts.check(tmp_path, as_json=False)
    assert raised.value.status == USAGE
