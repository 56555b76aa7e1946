"""What test generation asks for, at first and in a repair."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
import pytest

from contracts.artifacts import File, Finding, TestReport, TestSuite
from tests.workers.chain import blueprint, contract, direct, plan, requirements, run
from workers.kit.llm import DirectLlm
from workers.kit.llm.wire import Problem
from workers.kit.stage import Unfit
from workers.test_generation.stage import FIXTURES, TestGeneration, check

PATHS = (FIXTURES, *dict.fromkeys(test.path for test in plan().tests))


async def first(llm: DirectLlm) -> TestSuite:
    return await TestGeneration(llm)(plan(), contract(), requirements(), run("test_generation"))


async def test_fixtures_come_first_and_every_test_file_is_told_of_them() -> None:
    told: dict[str, Mapping[str, object]] = {}

    def watching(task: str, inputs: Mapping[str, object]) -> str | Problem:
        told[str(inputs["path"])] = inputs
        return blueprint(task, inputs)

    suite = await first(DirectLlm(watching))
    assert tuple(file.path for file in suite.files) == PATHS
    assert next(iter(told)) == FIXTURES
    assert "fixtures" not in told[FIXTURES]
    assert all(told[path]["fixtures"] == suite.files[0].text for path in PATHS[1:])


@pytest.mark.parametrize(
    ("path", "redone"),
    [(PATHS[1], (PATHS[1],)), (FIXTURES, (FIXTURES,)), ("src/x.py", PATHS), ("", PATHS)],
)
async def test_a_repair_writes_the_named_files_only(path: str, redone: tuple[str, ...]) -> None:
    asked = []

    def watching(task: str, inputs: Mapping[str, object]) -> str | Problem:
        asked.append(inputs["path"])
        assert "previous" in inputs
        return blueprint(task, inputs)

    before = await first(direct())
    report = TestReport(verdict="failed", findings=(Finding(rule="collect", message="m", path=path),))
    stage = TestGeneration(DirectLlm(watching))
    after = await stage(plan(), contract(), requirements(), run("test_generation", 2), report=report, previous=before)
    assert sorted(map(str, asked)) == sorted(redone)
    assert [file.revision for file in after.files] == [2 if file.path in redone else 1 for file in before.files]


def test_a_file_without_its_planned_functions_is_refused() -> None:
    planned = plan().tests[0]
    with pytest.raises(Unfit, match=f"holds no function {planned.function}"):
        check(File(path=planned.path, text="def test_other():\n    assert 1\n"), plan().tests)
    check(File(path=FIXTURES, text=""), plan().tests)
    check(File(path=planned.path, text=f"async def {planned.function}():\n    ...\n"), (planned,))


def test_a_long_file_and_a_long_plan_are_compared_at_once() -> None:
    names = [f"test_{number}" for number in range(500)]
    planned = [msgspec.structs.replace(plan().tests[0], path="tests/test_x.py", function=name) for name in names]
    text = "    x\n" * 80_000 + "".join(f"def {name}():\n    ...\n" for name in names)
    began = time.monotonic()
    check(File(path="tests/test_x.py", text=text), planned)
    assert time.monotonic() - began < 3
