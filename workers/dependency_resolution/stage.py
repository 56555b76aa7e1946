"""Dependency resolution: what will be installed, to the byte, before any code is written.

Wakes on `project_structure`. Writes a `Lock`. The only stage that reaches a network, through the Registry port. What
can't be had is a finding: the package is still written, and its grade says why it can't be built.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.artifacts import Contract, Finding, Lock
from workers.kit.ports import Registry, Unresolvable

from .wanted import PYTHON, admits, wanted


@dataclass(frozen=True, slots=True)
class DependencyResolution:
    registry: Registry

    async def __call__(self, contract: Contract) -> Lock:
        if not admits(contract.python):
            return _without(f"it wants Python {contract.python}, and {PYTHON} is the one that is here")
        asked = wanted(contract)
        try:
            found = await self.registry.lock(asked.runtime, asked.dev, python=PYTHON)
        except Unresolvable as error:
            return _without(_sentence(error))
        return Lock(
            python=PYTHON,
            requirements=found.requirements,
            requirements_dev=found.requirements_dev,
            wheels=found.wheels,
            packages=found.packages,
        )


def _without(message: str) -> Lock:
    finding = Finding(rule="unresolvable", message=message)
    return Lock(python=PYTHON, requirements="", requirements_dev="", wheels="", findings=(finding,))


def _sentence(error: Unresolvable) -> str:
    told = str(error)
    return told if error.package in told else f"{error.package}: {told}"


STAGE = DependencyResolution
