"""Packaging: what is in the capsule, that it depends on its inputs alone, and the whole way with real stages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.artifacts import Capsule, File, Finding, Lock, SourceTree, encode
from contracts.topology import TOPOLOGY
from tests.workers.packaging.sample import INPUTS, PARTS, RUN, parts
from tests.workers.semantic_validation.sample import FILES, contract, tree
from tests.workers.test_execution.conftest import lock, sandbox  # noqa: F401 - fixtures
from tests.workers.test_execution.sample import suite
from workers.kit.binding import bind
from workers.kit.capsule import unpack, verify
from workers.kit.parsing.treesitter import TreeSitterParser
from workers.kit.sandbox import Bubblewrap
from workers.kit.stage import Run
from workers.packaging.parts import Parts
from workers.packaging.stage import STAGE
from workers.performance_analysis.stage import STAGE as PERFORMANCE
from workers.security_scanning.stage import STAGE as SECURITY
from workers.semantic_validation.stage import STAGE as VALIDATION
from workers.test_execution.stage import STAGE as TESTS


async def packed(given: Parts = PARTS, run: Run = RUN) -> Capsule:
    return await STAGE()(**msgspec.structs.asdict(given), run=run)


def manifest_of(capsule: Capsule, folder: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((unpack(capsule.archive, folder) / ".quantumlayer/manifest.json").read_text())
    return made


async def test_the_capsule_holds_everything_and_can_be_verified(tmp_path: Path) -> None:
    capsule = await packed()
    folder = unpack(capsule.archive, tmp_path)
    assert (capsule.name, capsule.grade, folder.name) == ("plums", "A", "plums")
    told = verify(folder)
    assert (told.ok, told.grade, told.files) == (True, "A", capsule.files)
    for path, text in FILES.items():
        assert (folder / path).read_text() == text
    evidence = {path.name for path in (folder / ".quantumlayer/evidence").iterdir()}
    assert evidence == {
        f"{name}.json"
        for name in ("requirements", "contract", "lock", "validation", "security", "performance", "tests")
    }
    assert json.loads((folder / ".quantumlayer/evidence/tests.json").read_bytes()) == json.loads(encode(PARTS.tests)[0])
    assert {"README.md", "requirements.lock", "requirements-dev.lock", "tests/test_models.py"} <= {
        path.relative_to(folder).as_posix() for path in folder.rglob("*")
    }


async def test_every_file_says_where_it_came_from(tmp_path: Path) -> None:
    again = SourceTree(
        files=tuple(
            msgspec.structs.replace(file, revision=2, question="e" * 64) if file.path.endswith("cli.py") else file
            for file in PARTS.tree.files
        )
    )
    inputs = {**INPUTS, "code_generation": msgspec.structs.replace(INPUTS["code_generation"], revision=2)}
    capsule = await packed(parts(tree=again), msgspec.structs.replace(RUN, inputs=inputs))
    manifest = manifest_of(capsule, tmp_path)
    files = {file["path"]: file for file in manifest["files"]}
    repaired, kept = files["src/plums/cli.py"], files["src/plums/models.py"]
    assert (repaired["drop"], repaired["revision"], repaired["question"]) == ("code_generation.2", 2, "e" * 64)
    assert (kept["drop"], kept["model"], kept["question"]) == ("code_generation.1", "blueprint/default", "q" * 64)
    assert kept["artifact"] == INPUTS["code_generation"].sha256
    assert files["tests/test_cli.py"]["stage"] == "test_generation"
    assert files["README.md"]["stage"] == "documentation"
    assert files["requirements-dev.lock"]["drop"] == "dependency_resolution.1"
    assert files[".quantumlayer/evidence/tests.json"]["stage"] == "test_execution"
    assert {stage["stage"]: stage["revision"] for stage in manifest["stages"]}["code_generation"] == 2


async def test_the_same_inputs_give_the_same_bytes_for_any_tenant_workflow_and_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await packed()
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    other = msgspec.structs.replace(RUN, tenant="other", workflow="01K00000000000000000000000", attempt=3)
    assert (await packed(run=other)).archive == first.archive
    assert (await packed(parts(docs__files=(File(path="README.md", text="# Pears\n"),)))).archive != first.archive


@pytest.mark.parametrize(
    "path",
    [
        *("../../escape.py", "/etc/cron.d/x", "a\x00b", "NUL", "requirements.lock", "REQUIREMENTS.LOCK", "README.md/x"),
        *(".quantumlayer/manifest.json", ".QuantumLayer/evidence/tests.json", "n" * 300),
    ],
)
async def test_a_hostile_name_of_the_last_round_is_left_out_and_told_of(path: str, tmp_path: Path) -> None:
    capsule = await packed(parts(tree=tree({path: "evil = 1\n"})))
    folder = unpack(capsule.archive, tmp_path / "in")
    assert capsule.grade == "F"
    assert any("not delivered" in reason for reason in capsule.reasons), capsule.reasons
    assert verify(folder).ok
    assert not any(b"evil" in found.read_bytes() for found in tmp_path.rglob("*") if found.is_file())


async def test_without_packages_there_is_no_lock_file(tmp_path: Path) -> None:
    empty = Lock(
        python="3.11", requirements="", requirements_dev="", wheels="", findings=(Finding(rule="r", message="no-such"),)
    )
    folder = unpack((await packed(parts(lock=empty))).archive, tmp_path)
    assert not (folder / "requirements.lock").exists()


def test_the_signature_is_the_wiring() -> None:
    for name, stage in [("packaging", STAGE), ("test_execution", TESTS), ("security_scanning", SECURITY),
                        ("performance_analysis", PERFORMANCE), ("semantic_validation", VALIDATION)]:  # fmt: skip
        assert bind(stage, name, TOPOLOGY).row.name == name


async def test_the_whole_way_with_real_stages_is_an_a(sandbox: Bubblewrap, lock: Lock, tmp_path: Path) -> None:  # noqa: F811
    code, tests, promised = tree(), suite(), contract()
    made = parts(
        lock=lock,
        suite=tests,
        validation=await VALIDATION(TreeSitterParser())(code, promised),
        security=await SECURITY()(code),
        performance=await PERFORMANCE()(code),
        tests=await TESTS(sandbox)(code, tests, lock, promised),
    )
    capsule = await packed(made)
    assert capsule.grade == "A", capsule.reasons
    assert verify(unpack(capsule.archive, tmp_path)).ok
    assert manifest_of(capsule, tmp_path / "again")["unmet"] == []
