"""The grade follows from its documented rule, and says why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from contracts.artifacts import FileCoverage, Finding, StandIn, TestResult
from tests.workers.packaging.sample import INPUTS, PARTS, parts
from tests.workers.semantic_validation.sample import tree
from workers.kit.stores.calls import Over
from workers.packaging.grade import grade
from workers.packaging.trace import trace, unmet

FAULT = Finding(rule="syntax", message="can't be parsed", path="src/plums/cli.py", line=3)
WARNING = Finding(rule="complexity", message="main: complexity 11", severity="warning", path="src/plums/cli.py")
NOT_RUN = {"tests__verdict": "not_run", "tests__results": (), "tests__coverage": (), "tests__reason": "no sandbox here"}


def covered(count: int) -> tuple[FileCoverage, ...]:
    return (FileCoverage(path="src/plums/cli.py", lines=1000, covered=count),)


def outcome(*outcomes: Any) -> tuple[TestResult, ...]:
    ids = ("R-001", "R-002", "R-003")
    return tuple(
        TestResult(node=f"tests/a.py::test_{number}", outcome=each, requirement_ids=(name,))
        for number, (each, name) in enumerate(zip(outcomes, ids, strict=False))
    )


@pytest.mark.parametrize(
    ("expected", "sentence", "changes"),
    [
        ("A", "All 2 test functions pass", {}),
        ("A", "2 requirements that must be met is proven", {}),
        ("A", "1 measures exceed", {"performance__findings": (WARNING,)}),
        ("A", "cover 85 % of the lines", {"tests__coverage": covered(850)}),
        ("A", "All 2 test functions pass", {"validation__findings": (WARNING,)}),
        ("B", "84.9 % of the lines are covered", {"tests__coverage": covered(849)}),
        ("C", "Only 59.9 % of the lines", {"tests__coverage": covered(599)}),
        ("C", "Only 0 % of the lines", {"tests__coverage": ()}),
        ("B", "1 of 3 tests were skipped", {"tests__results": outcome("passed", "passed", "skipped")}),
        ("C", "No passing test proves R-002", {"tests__results": outcome("passed")}),
        ("C", "No passing test proves R-002", {"tests__results": outcome("passed", "skipped")}),
        ("C", "Its tests were not run: no sandbox here", NOT_RUN),
        ("C", "A scanner did not run: bandit", {"security__not_run": ("bandit: crashed",)}),
        ("D", "1 of 2 tests fail", {"tests__verdict": "failed", "tests__results": outcome("passed", "failed")}),
        ("D", "It does not start", {"tests__verdict": "failed", "tests__started": False}),
        ("D", "The scanners object: src/plums/cli.py:3", {"security__findings": (FAULT,)}),
        ("F", "src/plums/cli.py:3: can't be parsed", {"validation__findings": (FAULT,)}),
        (
            "F",
            "can't be had: no-such: was not found",
            {"lock__findings": (Finding(rule="r", message="no-such: was not found"),), **NOT_RUN},
        ),
        (
            "F",
            "It can't be installed: broken",
            {"tests__verdict": "failed", "tests__installed": False, "tests__reason": "broken"},
        ),
        ("F", "Files are missing: src/plums/cli.py", {"tree": tree({"src/plums/cli.py": None})}),
    ],
)
def test_each_rule(expected: str, sentence: str, changes: dict[str, Any]) -> None:
    made = parts(**changes)
    mark, reasons = grade(made, trace(made), (), INPUTS)
    assert mark == expected, reasons
    assert any(sentence in reason for reason in reasons), reasons
    assert all(reason.endswith(".") for reason in reasons)


SPENT = "the workflow's budget of 0.01 USD is spent"


def test_files_by_a_stand_in_are_told_once_and_cost_the_good_grades() -> None:
    docs = tuple(msgspec.structs.replace(file, instead=SPENT) for file in PARTS.docs.files)
    first, *others = PARTS.tree.files
    made = parts(docs__files=docs, tree__files=(msgspec.structs.replace(first, instead=SPENT), *others))
    mark, reasons = grade(made, trace(made), (), INPUTS)
    files = len(docs) + len(PARTS.tree.files) + len(PARTS.suite.files)
    assert mark == "C"
    assert reasons[0] == f"2 of {files} files were written by blueprint/default instead: {SPENT}."
    assert sum(SPENT in reason for reason in reasons) == 1


def test_a_stage_that_a_stand_in_answered_costs_the_good_grades_and_is_named() -> None:
    frd, plan, code = (
        StandIn(stage=stage, model="blueprint/default", reason=SPENT)
        for stage in ("frd_generation", "test_plan_generation", "code_generation")
    )
    mark, reasons = grade(PARTS, trace(PARTS), (), INPUTS, (plan, frd))
    assert mark == "C"
    named = "frd_generation and test_plan_generation were answered"
    assert reasons[0] == f"{named} by blueprint/default instead: {SPENT}."
    # What its files say is not said again.
    made = parts(tree__files=tuple(msgspec.structs.replace(file, instead=SPENT) for file in PARTS.tree.files))
    told = grade(made, trace(made), (), INPUTS, (frd, code))[1]
    assert sum(SPENT in reason for reason in told) == 2
    assert f"frd_generation was answered by blueprint/default instead: {SPENT}." in told


def test_files_whose_calls_had_other_numbers_have_one_reason() -> None:
    def over(estimate: float, allowed: float = 0.01) -> str:
        return Over(scope="workflow", allowed=allowed, spent=0.009, held=0, estimate=estimate).sentence

    first, *others = PARTS.docs.files
    docs = (msgspec.structs.replace(first, instead=over(0.002)), *others)
    tree = tuple(msgspec.structs.replace(file, instead=over(0.003)) for file in PARTS.tree.files)
    suite = tuple(msgspec.structs.replace(file, instead=over(0.003, 0.5)) for file in PARTS.suite.files)
    files = {"docs__files": docs, "tree__files": tree, "suite__files": suite}
    made = parts(**{of: tuple(msgspec.structs.replace(file, model="m") for file in some) for of, some in files.items()})
    told = [reason for reason in grade(made, trace(made), (), INPUTS)[1] if " instead: " in reason]
    assert len(told) == 2
    assert told[0].startswith(f"{1 + len(tree)} of ")
    assert told[0].endswith(" instead: the workflow's budget of 0.01 USD would be crossed.")
    assert over(0.003, 0.5) in told[1]


def test_a_stand_in_excuses_nothing_worse() -> None:
    docs = tuple(msgspec.structs.replace(file, instead=SPENT) for file in PARTS.docs.files)
    made = parts(docs__files=docs, tests__started=False)
    mark, reasons = grade(made, trace(made), (), INPUTS)
    assert mark == "D"
    assert any(" files was written by " in reason and SPENT in reason for reason in reasons)


def test_what_was_not_run_is_never_better_than_c_whatever_else_is_well() -> None:
    made = parts(tests=msgspec.structs.replace(PARTS.tests, verdict="not_run", reason="no sandbox"))
    mark, reasons = grade(made, trace(made), (), INPUTS)
    assert mark == "C"
    assert not any("pass" in reason and reason.startswith("All") for reason in reasons)


def test_a_file_that_can_not_be_delivered_is_an_f_and_a_stage_that_ended_unmet_a_b() -> None:
    assert grade(PARTS, trace(PARTS), ("The file '../a' holds the part '..': it is not delivered.",), INPUTS)[0] == "F"
    spent = {**INPUTS, "security_scanning": msgspec.structs.replace(INPUTS["security_scanning"], unmet=True)}
    mark, reasons = grade(PARTS, trace(PARTS), (), spent)
    assert (mark, reasons[0]) == ("B", "security_scanning still had findings when no round of repair was left.")


def test_the_gravest_reason_comes_first_and_nothing_is_left_unsaid() -> None:
    made = parts(validation__findings=(FAULT,), tests__coverage=covered(700), security__not_run=("bandit: crashed",))
    mark, reasons = grade(made, trace(made), (), INPUTS)
    assert mark == "F"
    assert [reason.split()[0] for reason in reasons[:3]] == ["The", "A", "70"]


def test_the_trace_goes_from_requirement_to_verdict() -> None:
    made = parts(tests__results=outcome("passed", "error"))
    told = {entry.requirement: (entry.verdict, entry.tests) for entry in trace(made)}
    assert told == {
        "R-001": ("proven", ("tests/a.py::test_0",)),
        "R-002": ("failed", ("tests/a.py::test_1",)),
        "R-003": ("untested", ()),
    }
    assert trace(made)[0].files == tuple(file.path for file in made.contract.files)
    assert unmet(trace(made)) == ("R-002", "R-003")
    assert {entry.verdict for entry in trace(parts(**NOT_RUN))} == {"not_run"}
    assert trace(parts(**NOT_RUN))[0].tests == ("tests/test_models.py::test_doubles",)
