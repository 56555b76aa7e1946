"""Which workflows were told examples, and what came of it: the arms of the comparison."""

from __future__ import annotations

from typing import Protocol

import msgspec


class ArmReport(msgspec.Struct, frozen=True, kw_only=True):
    """The workflows of one arm that ended; `told` are those that got at least one example.

    Means of a workflow: `grade` of those that have one, 4 for A to 0 for F; `repairs`, the revisions opened; `cost` in
    US dollars.
    """

    arm: str
    workflows: int
    told: int
    failed: int
    grade: float | None
    repairs: float
    cost: float


class Retrievals(Protocol):
    """Notes of what stages were told."""

    async def note(self, tenant: str, workflow: str, stage: str, *, arm: str, found: int) -> None:
        """The first note of a stage stays. Raises `StoreDown`."""
        ...
