"""A finished sample looked at again: its history, its file, and the same bytes with no server and no model."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from contracts.topology import TOPOLOGY
from tests.flow.conftest import QL, Running
from workers.kit.exported import read, write
from workers.kit.stores.drops import DropRow

FOREIGN = "x_spelling_check"
Packages = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
async def exported(factory: Running, packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a drop of somebody else's stage."""
    path, workflow = tmp_path_factory.mktemp("exported") / "wf.qlx", packages["geometry"]["workflow"]
    drop = {"stage": FOREIGN, "revision": 1, "artifact": {"text": "checked"}}
    async with httpx.AsyncClient(base_url=factory.url) as http:
        (await http.post(f"/v1/workflows/{workflow}/drops", json=drop)).raise_for_status()
    run = await factory.ql("workflow", "export", workflow, "-o", str(path))
    assert run.returncode == 0, run.stderr
    return path


def alone(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """`ql` on a machine with no factory: an empty data folder, no server named, a provider's key in the environment."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("QL_")}
    env |= {"QL_DATA": str(data), "OPENAI_API_KEY": "nobody-is-asked"}
    return subprocess.run([QL, *arguments], capture_output=True, text=True, env=env, timeout=100, check=False)


async def test_the_history_tells_every_stage_with_its_times(factory: Running, packages: Packages) -> None:
    workflow = packages["geometry"]["workflow"]
    told = json.loads((await factory.ql("workflow", "replay", workflow, "--json")).stdout)
    assert told["state"] == "completed"
    ours = {step["stage"] for step in told["steps"] if not step["stage"].startswith("x_")}
    assert ours == set(TOPOLOGY.stages)
    assert told["totals"]["work_s"] > 0
    assert told["totals"]["calls"] > 5


def test_a_file_gives_the_same_capsule_with_no_server_and_no_model(exported: Path, tmp_path: Path) -> None:
    again = alone("workflow", "open", str(exported), "--replay", data=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "packaging 1: the same" in again.stderr
    assert f"{FOREIGN} 1: as recorded (a stage of somebody else)" in again.stderr
    assert "test_execution 1: as recorded" in again.stderr  # there are no wheels here to install


def test_a_file_without_what_a_stage_of_somebody_else_made_is_done_again_too(exported: Path, tmp_path: Path) -> None:
    found = read(exported.read_bytes())
    [foreign] = [drop for drop in found.drops if drop.stage == FOREIGN]
    assert foreign.artifact
    assert found.artifacts[foreign.artifact.sha256] == b"checked"
    drops = tuple(drop for drop in found.drops if drop != foreign)
    artifacts = {name: body for name, body in found.artifacts.items() if name != foreign.artifact.sha256}
    path = tmp_path / "old.qlx"
    path.write_bytes(write(msgspec.structs.replace(found, drops=drops, artifacts=artifacts)))
    local = [sys.executable, "-m", "workers.local", str(path), "--stage", "performance_analysis"]
    again = subprocess.run(local, capture_output=True, text=True, timeout=100, check=False)
    assert again.returncode == 0, again.stderr


async def test_one_stage_has_to_be_named(factory: Running, packages: Packages) -> None:
    assert (await factory.ql("workflow", "replay", packages["geometry"]["workflow"], "--local")).returncode == 2


def changed(path: Path, into: Path, stage: str, old: bytes, new: bytes) -> Path:
    """The file as if `stage` had made something else, sealed anew."""
    found = read(path.read_bytes())
    [before] = {drop.artifact.sha256 for drop in found.drops if drop.stage == stage and drop.artifact}
    body = found.artifacts[before].replace(old, new, 1)
    assert body != found.artifacts[before]
    digest = sha256(body).hexdigest()
    drops = msgspec.json.encode(found.drops).replace(before.encode(), digest.encode())
    events = tuple(line.replace(before.encode(), digest.encode()) for line in found.events)
    artifacts = {k: v for k, v in found.artifacts.items() if k != before} | {digest: body}
    others = msgspec.json.decode(drops, type=tuple[DropRow, ...])
    into.write_bytes(write(msgspec.structs.replace(found, events=events, artifacts=artifacts, drops=others)))
    return into


def test_the_first_piece_that_differs_is_named_with_its_lines(exported: Path, tmp_path: Path) -> None:
    path = changed(exported, tmp_path / "x.qlx", "performance_analysis", b'{"', b'{"x":1,"')
    run = alone("workflow", "open", str(path), "--replay", data=tmp_path)
    assert run.returncode == 1
    assert "performance_analysis 1 differs" in run.stdout
    assert '"x": 1' in run.stdout


def test_a_question_that_was_never_asked_stops_it_and_says_where_it_differs(exported: Path, tmp_path: Path) -> None:
    found = read(exported.read_bytes())
    row = msgspec.structs.replace(found.workflow, prompt=found.workflow.prompt + " Be quick.")
    path = tmp_path / "y.qlx"
    path.write_bytes(write(msgspec.structs.replace(found, workflow=row)))
    run = alone("workflow", "open", str(path), "--replay", data=tmp_path)
    assert run.returncode == 1
    assert "the ledger holds no answer to this question of prompt_enhancement" in run.stdout
    assert "differs first in" in run.stdout


def test_an_answer_of_another_ledger_is_told_where_it_makes_another_drop(exported: Path, tmp_path: Path) -> None:
    found = read(exported.read_bytes())
    entries = tuple(
        msgspec.structs.replace(entry, answer=entry.answer.replace("# ", "# Our ", 1))
        if entry.task == "documentation"
        else entry
        for entry in found.ledger.entries
    )
    assert entries != tuple(found.ledger.entries)
    path = tmp_path / "z.qlx"
    ledger = msgspec.structs.replace(found.ledger, entries=entries)
    path.write_bytes(write(msgspec.structs.replace(found, ledger=ledger)))
    run = alone("workflow", "open", str(path), "--replay", data=tmp_path)
    assert run.returncode == 1
    assert "documentation 1: DIFFERENT" in run.stderr
    assert "# Our " in run.stdout
    assert "packaging" not in run.stderr  # the first is named, and is the last


@contextmanager
def terminal(*command: str, data: Path, ends: int) -> Iterator[Callable[[str], str]]:
    """The program on a terminal of its own, at its first prompt: what it says to each line until the next one."""
    ours, its = os.openpty()
    env = {**os.environ, "QL_DATA": str(data)}
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env, start_new_session=True)
    os.close(its)
    said = ""

    def until(text: str) -> str:
        nonlocal said
        while text not in said:
            ready, _, _ = select.select([ours], [], [], 60)
            assert ready, said
            said += os.read(ours, 4096).decode(errors="replace")
        before, _, said = said.partition(text)
        return before

    def types(line: str) -> str:
        os.write(ours, f"{line}\n".encode())
        return until("(Pdb) ") if line != "c" else ""

    until("(Pdb) ")
    try:
        yield types
        assert process.wait(60) == ends
    finally:
        process.kill()
        process.wait()
        os.close(ours)


async def test_a_debugger_stands_where_a_stage_begins(factory: Running, packages: Packages) -> None:
    workflow = packages["geometry"]["workflow"]
    replay = (QL, "workflow", "replay", workflow, "--stage", "semantic_validation", "--local", "--break")
    with terminal(*replay, data=factory.data, ends=0) as types:
        assert "'semantic_validation'" in types("p binding.row.name")
        types("c")


def test_a_debugger_stands_where_a_stage_raises(exported: Path, tmp_path: Path) -> None:
    found = read(exported.read_bytes())
    path = tmp_path / "less.qlx"
    ledger = msgspec.structs.replace(found.ledger, entries=())
    path.write_bytes(write(msgspec.structs.replace(found, ledger=ledger)))
    local = (sys.executable, "-m", "workers.local", str(path), "--stage", "documentation", "--pdb")
    with terminal(*local, data=tmp_path, ends=1) as types:
        assert "'documentation'" in types("p question.task")
        types("c")
