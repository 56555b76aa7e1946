"""What code generation writes at first, and what it writes again in a repair."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from contracts.artifacts import Finding, LockedPackage, SecurityReport, SourceTree, TestReport, ValidationReport
from tests.kit.damage import Damaged
from tests.workers.chain import LOCK, blueprint, contract, direct, requirements, run
from workers.code_generation.stage import CodeGeneration
from workers.kit.llm import DirectLlm
from workers.kit.llm.wire import Problem
from workers.kit.stage import Permanent, Transient

PATHS = tuple(file.path for file in contract().files)
TARGET = PATHS[-1]


class Watching:
    """The blueprint model, with what it was told for each file."""

    def __init__(self) -> None:
        self.told: dict[str, Mapping[str, object]] = {}

    def __call__(self, task: str, inputs: Mapping[str, object]) -> str | Problem:
        path = inputs["path"]
        assert isinstance(path, str)
        self.told[path] = inputs
        return blueprint(task, inputs)


async def first() -> SourceTree:
    return await CodeGeneration(direct())(contract(), requirements(), LOCK, run("code_generation"))


def report(*findings: Finding) -> ValidationReport:
    return ValidationReport(files_checked=1, checks=("syntax",), findings=findings)


async def repaired(watching: Watching, previous: SourceTree, **reports: object) -> SourceTree:
    stage = CodeGeneration(DirectLlm(watching))
    return await stage(
        contract(),
        requirements(),
        LOCK,
        run("code_generation", 2),
        previous=previous,
        **reports,  # type: ignore[arg-type]
    )


async def test_every_file_of_the_contract_is_written_in_its_order_with_the_locked_versions() -> None:
    watching = Watching()
    wheels = (
        LockedPackage(name="fastapi", version="0.1", wheel="w", sha256="0", direct=True),
        LockedPackage(name="starlette", version="0.2", wheel="w", sha256="0"),
    )
    stage = CodeGeneration(DirectLlm(watching))
    tree = await stage(contract(), requirements(), replace(LOCK, packages=wheels), run("code_generation"))
    assert tuple(file.path for file in tree.files) == PATHS
    assert all(told["versions"] == ["fastapi==0.1"] for told in watching.told.values())
    assert all(list(told) == ["versions", "contract", "requirements", "path"] for told in watching.told.values())


async def test_a_repair_writes_the_named_file_and_keeps_the_others_as_they_were() -> None:
    watching, before = Watching(), await first()
    finding = Finding(rule="syntax", message="broken", path=TARGET, line=3)
    after = await repaired(watching, before, validation=report(finding))
    assert tuple(watching.told) == (TARGET,)
    told = watching.told[TARGET]
    assert told["previous"] == before.files[-1].text
    assert told["findings"] == [{"rule": "syntax", "message": "broken", "path": TARGET, "line": 3}]
    assert after.files[:-1] == before.files[:-1]
    assert (after.files[-1].revision, after.files[-1].text) == (2, before.files[-1].text)
    assert after.files[-1].question != before.files[-1].question


@pytest.mark.parametrize(
    ("findings", "redone"),
    [
        ((), PATHS),
        ((Finding(rule="r", message="m"),), PATHS),
        ((Finding(rule="r", message="m", path="tests/test_x.py"),), PATHS),
        (
            (
                Finding(rule="r", message="m", path=TARGET),
                Finding(rule="r", message="m", path=PATHS[0], severity="note"),
            ),
            (TARGET,),
        ),
        ((Finding(rule="r", message="m", path=PATHS[0], severity="warning"),), (PATHS[0],)),
    ],
    ids=["none", "no place", "a test", "errors first", "only warnings"],
)
async def test_which_files_are_written_again(findings: tuple[Finding, ...], redone: tuple[str, ...]) -> None:
    watching = Watching()
    await repaired(watching, await first(), security=SecurityReport(tools=(), files_scanned=1, findings=findings))
    assert tuple(sorted(watching.told)) == tuple(sorted(redone))


async def test_a_failed_test_sends_back_the_files_that_serve_its_requirement() -> None:
    file = next(file for file in contract().files if file.requirement_ids)
    wanted = file.requirement_ids[0]
    finding = Finding(rule="test", message="m", path="tests/test_x.py", requirement_ids=(wanted,))
    watching = Watching()
    await repaired(watching, await first(), tests=TestReport(verdict="failed", findings=(finding,)))
    assert set(watching.told) == {file.path for file in contract().files if wanted in file.requirement_ids}


async def test_a_file_missing_from_the_previous_tree_is_written_too() -> None:
    watching, before = Watching(), await first()
    finding = Finding(rule="syntax", message="broken", path=TARGET)
    after = await repaired(watching, SourceTree(files=before.files[1:]), validation=report(finding))
    assert set(watching.told) == {PATHS[0], TARGET}
    assert "previous" not in watching.told[PATHS[0]]
    assert tuple(file.path for file in after.files) == PATHS


@pytest.mark.parametrize("how", ["cut", "syntax"])
async def test_a_damaged_file_is_damaged_once_and_comes_back_whole(how: str) -> None:
    llm = Damaged(direct(), TARGET, how)  # type: ignore[arg-type]
    stage, whole = CodeGeneration(llm), await first()
    broken = await stage(contract(), requirements(), LOCK, run("code_generation"))
    with pytest.raises(SyntaxError):
        compile(broken.files[-1].text, TARGET, "exec")
    assert broken.files[:-1] == whole.files[:-1]
    finding = Finding(rule="syntax", message="broken", path=TARGET)
    mended = await stage(
        contract(), requirements(), LOCK, run("code_generation", 2), validation=report(finding), previous=broken
    )
    assert mended.files[-1].text == whole.files[-1].text
    assert llm.damaged == 1


async def test_damage_for_ever_stays() -> None:
    llm = Damaged(direct(), TARGET, always=True)
    for revision in (1, 2, 3):
        tree = await CodeGeneration(llm)(contract(), requirements(), LOCK, run("code_generation", revision))
        with pytest.raises(SyntaxError):
            compile(tree.files[-1].text, TARGET, "exec")
    assert llm.damaged == 3


@pytest.mark.parametrize("grave", [True, False])
async def test_one_failing_file_fails_the_stage_with_its_own_error(grave: bool) -> None:
    def failing(task: str, inputs: Mapping[str, object]) -> str | Problem:
        if inputs["path"] == PATHS[2] and grave:
            return Problem(kind="permanent", message="never")
        if inputs["path"] == PATHS[1]:
            return Problem(kind="transient", message="later", retry_after=3)
        return blueprint(task, inputs)

    stage = CodeGeneration(DirectLlm(failing))
    with pytest.raises((Permanent, Transient)) as raised:
        await asyncio.wait_for(stage(contract(), requirements(), LOCK, run("code_generation")), 5)
    assert isinstance(raised.value, Permanent) is grave
