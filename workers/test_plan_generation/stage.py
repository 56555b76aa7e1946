"""Test plan: which tests shall prove which requirements, before any of them is written.

Wakes on `project_structure`. Writes a `TestPlan`. Calls the model once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from contracts.artifacts import Contract, PlannedTest, Requirements, TestPlan
from contracts.paths import UnsafePath, safe_paths
from workers.kit.ports import Llm
from workers.kit.rules import naming
from workers.kit.stage import Run, Unfit

MAX_TESTS = 2000
MAX_FILES = 100
_FILE = re.compile(r"tests/([a-z0-9_]+/)*test_[a-z0-9_]+\.py")


@dataclass(frozen=True, slots=True)
class TestPlanGeneration:
    llm: Llm

    __test__ = False

    async def __call__(self, contract: Contract, requirements: Requirements, run: Run) -> TestPlan:
        return await self.llm.complete(
            run,
            task="test_plan_generation",
            inputs={"contract": contract, "requirements": requirements},
            into=TestPlan,
            check=lambda plan: check(plan, requirements),
        )


def check(plan: TestPlan, requirements: Requirements) -> None:
    """Every must is planned, every name can be collected by pytest, nothing stands there twice."""
    if not 0 < len(plan.tests) <= MAX_TESTS:
        raise Unfit(f"there must be 1 to {MAX_TESTS} tests")
    naming.ids("tests", "T", (test.id for test in plan.tests))
    _check_files(plan)
    acceptance = {item.id: r.id for r in requirements.requirements for item in r.acceptance}
    listed = {requirement.id for requirement in requirements.requirements}
    for test in plan.tests:
        naming.text(f"title of {test.id}", test.title)
        naming.known(test.id, test.requirement_ids, listed)
        naming.known(test.id, test.acceptance_ids, acceptance)
        _check_function(test)
    naming.distinct("tests", (f"{test.path}::{test.function}" for test in plan.tests))
    planned = {name for test in plan.tests for name in test.requirement_ids}
    must = [requirement.id for requirement in requirements.requirements if requirement.priority == "must"]
    if forgotten := [name for name in must if name not in planned]:
        raise Unfit(f"no test is planned for {', '.join(forgotten)}")


def _check_files(plan: TestPlan) -> None:
    paths = tuple(dict.fromkeys(test.path for test in plan.tests))
    try:
        safe_paths(paths)
    except UnsafePath as error:
        raise Unfit(f"the test file {error}") from None
    if len(paths) > MAX_FILES:
        raise Unfit(f"there are more than {MAX_FILES} test files")
    for path in paths:
        if not _FILE.fullmatch(path):
            raise Unfit(f"{naming.shown(path)} is no file that pytest collects: tests/test_<name>.py")


def _check_function(test: PlannedTest) -> None:
    naming.snake(f"function of {test.id}", test.function)
    if not test.function.startswith("test_"):
        raise Unfit(f"the function {test.function} of {test.id} does not begin with test_")
    if not test.requirement_ids:
        raise Unfit(f"{test.id} proves no requirement")


STAGE = TestPlanGeneration
