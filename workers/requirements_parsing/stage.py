"""Requirements parsing: the document becomes atomic claims, each with a way to observe it.

Wakes on `frd_generation`. Writes `Requirements`. Calls the model once and checks by rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from contracts.artifacts import Frd, Requirement, Requirements
from workers.kit.ports import Llm
from workers.kit.rules import naming
from workers.kit.rules.data_model import check_data_model
from workers.kit.stage import Run, Unfit

MAX_REQUIREMENTS = 1000


@dataclass(frozen=True, slots=True)
class RequirementsParsing:
    llm: Llm

    async def __call__(self, frd: Frd, run: Run) -> Requirements:
        return await self.llm.complete(
            run,
            task="requirements_parsing",
            inputs={"frd": frd},
            into=Requirements,
            check=lambda requirements: check(requirements, frd),
        )


def check(parsed: Requirements, frd: Frd) -> None:
    """Ids unique, each claim observable, no item of the document forgotten, no claim that waits for itself."""
    for what in ("name", "kind", "language"):
        naming.same(what, getattr(parsed, what), getattr(frd, what))
    naming.line("title", parsed.title)
    naming.text("summary", parsed.summary)
    if not 0 < len(parsed.requirements) <= MAX_REQUIREMENTS:
        raise Unfit(f"there must be 1 to {MAX_REQUIREMENTS} requirements")
    if not any(requirement.priority == "must" for requirement in parsed.requirements):
        raise Unfit("no requirement has the priority 'must'")
    naming.ids("requirements", "R", (requirement.id for requirement in parsed.requirements))
    acceptance = [item.id for requirement in parsed.requirements for item in requirement.acceptance]
    naming.ids("acceptance items", "A", acceptance)
    check_data_model(parsed.entities, parsed.operations)
    for requirement in parsed.requirements:
        _check_one(requirement, parsed, frd)
    _check_order(parsed)
    sources = {requirement.source for requirement in parsed.requirements}
    if forgotten := [item.id for item in frd.items if item.id not in sources]:
        raise Unfit(f"no requirement comes from {', '.join(forgotten)}")


def _check_one(requirement: Requirement, parsed: Requirements, frd: Frd) -> None:
    naming.text(f"text of {requirement.id}", requirement.text)
    if not requirement.acceptance:
        raise Unfit(f"{requirement.id} has no acceptance item")
    for item in requirement.acceptance:
        for part in (item.given, item.when, item.then):
            naming.text(f"wording of {item.id}", part)
    if requirement.source:
        naming.known(requirement.id, (requirement.source,), {item.id for item in frd.items})
    elif not requirement.assumed:
        raise Unfit(f"{requirement.id} has no source in the document and is not marked as assumed")
    if requirement.entity:
        naming.known(requirement.id, (requirement.entity,), {entity.name for entity in parsed.entities})


def _check_order(parsed: Requirements) -> None:
    listed = {requirement.id: requirement.depends_on for requirement in parsed.requirements}
    for name, needs in listed.items():
        naming.known(name, needs, listed)
    try:
        TopologicalSorter(listed).prepare()
    except CycleError as error:
        raise Unfit(f"requirements depend on each other in a circle: {' -> '.join(error.args[1])}") from None


STAGE = RequirementsParsing
