"""What one file's writer is told: enough to write the same file, and nothing that lets it be asked anew for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from contracts.artifacts import Requirement, Requirements, Submission, TestPlan
from tests.workers.chain import LOCK, PROMPTS, Made, blueprint, contract, make, plan, requirements, run
from workers.code_generation.stage import CodeGeneration
from workers.documentation.stage import Documentation
from workers.kit.llm import DirectLlm
from workers.kit.llm.wire import Answer, Problem, Question, question_key
from workers.kit.rules.slices import contract_of, plan_of, proven, requirements_of, served
from workers.project_structure.stage import ProjectStructure
from workers.test_generation.stage import TestGeneration
from workers.test_plan_generation.stage import TestPlanGeneration


class Ledger(DirectLlm):
    """Keeps the questions that were never asked before."""

    def __init__(self) -> None:
        super().__init__(blueprint)
        self.known: dict[str, str] = {}

    async def ask(self, question: Question) -> Answer | Problem:
        self.known.setdefault(question_key(question, "m"), question.task)
        return await super().ask(question)


def paths() -> Iterator[str]:
    yield from (file.path for file in contract().files)


@pytest.mark.parametrize("path", [*paths()])
def test_a_file_is_the_same_from_its_part_as_from_the_whole(path: str) -> None:
    whole = {"contract": contract(), "requirements": requirements(), "path": path}
    part = {
        "contract": contract_of(contract(), path),
        "requirements": requirements_of(requirements(), served(contract(), path)),
        "path": path,
    }
    assert blueprint("code_generation", part) == blueprint("code_generation", whole)


def test_a_file_is_told_of_what_it_imports_and_of_what_it_serves() -> None:
    for file in contract().files:
        told = contract_of(contract(), file.path)
        assert {each.path for each in told.files} == {file.path, *(name.path for name in file.internal)}
        assert next(each for each in told.files if each.path == file.path) == file
        asked = requirements_of(requirements(), served(contract(), file.path)).requirements
        assert {each.id for each in asked} >= set(file.requirement_ids)
        assert (told.entities, told.packages) == (contract().entities, contract().packages)


def test_a_requirement_brings_those_that_it_depends_on() -> None:
    first, second, *_ = requirements().requirements
    chained = replace(requirements(), requirements=(first, replace(second, depends_on=(first.id,))))
    assert [each.id for each in requirements_of(chained, {second.id}).requirements] == [first.id, second.id]
    assert [each.id for each in requirements_of(chained, {first.id}).requirements] == [first.id]


def test_a_test_file_is_told_of_its_own_tests() -> None:
    found = {test.path for test in plan().tests}
    for path in found:
        assert {test.path for test in plan_of(plan(), path).tests} == {path}
        assert proven(plan(), path) == {name for test in plan_of(plan(), path).tests for name in test.requirement_ids}
    assert plan_of(plan(), "tests/none.py") == TestPlan(tests=())


async def again(made: Made, changed: Requirements, llm: Ledger) -> None:
    """What follows the requirements, as a fork would do it."""
    fixed = await ProjectStructure(llm)(changed, run("project_structure"))
    planned = await TestPlanGeneration(llm)(fixed, changed, run("test_plan_generation"))
    await CodeGeneration(llm)(fixed, changed, LOCK, run("code_generation"))
    await TestGeneration(llm)(planned, fixed, changed, run("test_generation"))
    await Documentation(llm)(fixed, changed, run("documentation"))


async def test_one_changed_requirement_asks_for_the_files_that_serve_it() -> None:
    llm = Ledger()
    made = await make(Submission(prompt=(PROMPTS / "helpdesk.txt").read_text(encoding="utf-8")), llm)
    full = len(llm.known)
    claims = made.requirements.requirements
    assert len(made.contract.files) >= 20

    def files_of(claim: Requirement) -> int:
        code = {file.path for file in made.contract.files if claim.id in file.requirement_ids}
        tests = {test.path for test in made.plan.tests if claim.id in test.requirement_ids}
        return len(code | tests)

    independent = [claim for claim in claims if not any(claim.id in each.depends_on for each in claims)]
    chosen = sorted(independent, key=files_of)[len(independent) // 2]
    assert files_of(chosen) >= 2
    changed = replace(
        made.requirements,
        requirements=tuple(
            replace(claim, text=f"{claim.text} It says so.") if claim is chosen else claim for claim in claims
        ),
    )
    await again(made, changed, llm)
    asked = list(llm.known.values())[full:]
    assert len(asked) == files_of(chosen) + 3, asked
    assert sorted({*asked} - {"code_generation", "test_generation"}) == [
        "documentation",
        "project_structure",
        "test_plan_generation",
    ]
    assert len(asked) * 3 < full
