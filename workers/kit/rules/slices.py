"""The part of a project's specification that one file depends on: what its writer is told, and nothing else.

Whoever is told less is asked anew less often: a requirement that changes is another question only for the files that
serve it.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from contracts.artifacts import Contract, PlannedTest, Requirements, TestPlan


def contract_of(contract: Contract, path: str) -> Contract:
    """What is said of the package as a whole, the file's own entry, and those of the files that it imports."""
    own = next(file for file in contract.files if file.path == path)
    imported = {name.path for name in own.internal}
    files = tuple(
        file if file.path == path else replace(file, requirement_ids=(), internal=(), external=())
        for file in contract.files
        if file.path == path or file.path in imported
    )
    return replace(contract, files=files)


def requirements_of(requirements: Requirements, ids: Collection[str]) -> Requirements:
    """Those with these ids and those that they depend on; the data model stands in the contract."""
    wanted = {one for each in requirements.requirements if each.id in ids for one in (each.id, *each.depends_on)}
    kept = tuple(each for each in requirements.requirements if each.id in wanted)
    return replace(requirements, requirements=kept, entities=(), operations=())


def served(contract: Contract, path: str) -> frozenset[str]:
    """The requirements that a file of the contract serves."""
    return frozenset(name for file in contract.files if file.path == path for name in file.requirement_ids)


def plan_of(plan: TestPlan, path: str) -> TestPlan:
    """The tests of one file."""
    return TestPlan(tests=planned(plan, path))


def planned(plan: TestPlan, path: str) -> tuple[PlannedTest, ...]:
    """What the plan has for the file."""
    return tuple(test for test in plan.tests if test.path == path)


def proven(plan: TestPlan, path: str) -> frozenset[str]:
    """The requirements that the tests of one file prove."""
    return frozenset(name for test in planned(plan, path) for name in test.requirement_ids)
