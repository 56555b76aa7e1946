"""Project structure: requirements become the contract that code, tests and documents are held to.

Wakes on `requirements_parsing`. Writes a `Contract`. Calls the model once; the rules are in `rules.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.artifacts import Contract, Requirements
from workers.kit.ports import Llm
from workers.kit.stage import Run

from .rules import check


@dataclass(frozen=True, slots=True)
class ProjectStructure:
    llm: Llm

    async def __call__(self, requirements: Requirements, run: Run) -> Contract:
        return await self.llm.complete(
            run,
            task="project_structure",
            inputs={"requirements": requirements},
            into=Contract,
            check=lambda contract: check(contract, requirements),
        )


STAGE = ProjectStructure
