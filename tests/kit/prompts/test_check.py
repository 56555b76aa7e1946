"""The check finds what is wrong with a tree of prompts, names the file, and finds nothing wrong with ours."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import workers
from workers.kit.prompts.check import check_all, look
from workers.kit.prompts.front import BadPrompt

ROLES, TEMPLATES = "kit/prompts/roles", "kit/prompts/templates"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    kept = shutil.ignore_patterns("*.py", "*.pyc", "*.sql", "__pycache__")
    return Path(shutil.copytree(Path(workers.__file__).parent, tmp_path / "workers", ignore=kept))


def problems(tree: Path) -> list[tuple[str, str]]:
    return [(found.path, found.problem) for found in look(tree) if found.problem]


def test_ours_are_as_they_have_to_be(tree: Path) -> None:
    check_all()
    assert problems(tree) == []
    ids = [found.id for found in look()]
    assert len(set(ids)) == len(ids) > 50
    assert {found.kind for found in look()} == {"template", "role"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", found.sha256) and found.tokens > 10 for found in look())


def test_all_that_is_wrong_is_told_at_once(tree: Path) -> None:
    (tree / "documentation" / "prompt.md").write_text("no front matter")
    (tree / ROLES / "tester.md").unlink()
    with pytest.raises(BadPrompt, match=r"documentation/prompt.md does not begin .*no role takes test_generation"):
        check_all(tree)


def changed(path: str, old: str, new: str) -> Callable[[Path], object]:
    def change(tree: Path) -> None:
        text = (tree / path).read_text()
        assert old in text
        (tree / path).write_text(text.replace(old, new))

    return change


def gone(path: str) -> Callable[[Path], object]:
    return lambda tree: (tree / path).unlink()


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        (changed(f"{TEMPLATES}/answer_again.md", "{{fault}}", "{{other}}"), f"{TEMPLATES}/answer_again.md", "but has"),
        (gone(f"{TEMPLATES}/answer_in_json.md"), f"{TEMPLATES}/answer_in_json.md", "there is no"),
        (changed("documentation/prompt.md", "version: 1", "version: one"), "documentation/prompt.md", "version"),
        (changed("documentation/prompt.md", "# What", "{{what}}"), "documentation/prompt.md", "has places"),
        (changed("documentation/prompt.md", "# What", "word " * 2000), "documentation/prompt.md", "more than 1500"),
        (gone("documentation/prompt.md"), f"{ROLES}/technical_writer.md", "tasks that nobody has: documentation"),
        (gone(f"{ROLES}/technical_writer.md"), ROLES, "no role takes documentation when nothing is known"),
        (changed(f"{ROLES}/tester.md", "temperature: 0.1", "temperature: 3"), f"{ROLES}/tester.md", "<= 1.0"),
        (changed(f"{ROLES}/sql_specialist.md", "[sql]", "[python]"), f"{ROLES}/sql_specialist.md", "is picked"),
        (lambda tree: (tree / ROLES / "tester.md").write_bytes(b"\xff"), f"{ROLES}/tester.md", "utf-8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_named(tree: Path, change: Callable[[Path], object], path: str, said: str) -> None:
    change(tree)
    found = dict(problems(tree))
    assert path in found, found
    assert said in found[path]
