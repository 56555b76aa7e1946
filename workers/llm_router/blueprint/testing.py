"""The test plan, and the test files that carry it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from contracts.artifacts import Contract, PlannedTest, Requirements, TestPlan

from . import kinds
from .design import design
from .drafts import Case
from .structure import requirement_ids


def test_plan(contract: Contract, requirements: Requirements) -> TestPlan:
    """Every case that proves a requirement, in the order in which the files hold them."""
    acceptance = {claim.id: [item.id for item in claim.acceptance] for claim in requirements.requirements}
    found = []
    for draft in kinds.tests(design(contract)):
        for case in draft.cases:
            proven = requirement_ids(case.serves, requirements.requirements)
            if proven:
                found.append((draft.path, case, proven))
    return TestPlan(
        tests=tuple(
            PlannedTest(
                id=f"T-{number:03}",
                title=case.title,
                path=path,
                function=case.function,
                requirement_ids=proven,
                acceptance_ids=tuple(item for claim in proven for item in acceptance[claim]),
                kind=case.kind,
            )
            for number, (path, case, proven) in enumerate(found, 1)
        )
    )


def test_files(contract: Contract, plan: TestPlan) -> Mapping[str, str]:
    """The files below tests/; only planned functions are in them."""
    planned = {(test.path, test.function) for test in plan.tests}

    def kept(path: str, cases: Iterable[Case]) -> tuple[Case, ...]:
        return tuple(case for case in cases if (path, case.function) in planned)

    return {draft.path: draft.written(kept(draft.path, draft.cases)) for draft in kinds.tests(design(contract))}


# pytest would collect what is named so.
test_plan.__test__ = False  # type: ignore[attr-defined]
test_files.__test__ = False  # type: ignore[attr-defined]
