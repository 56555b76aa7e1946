"""Hand-over inside a process: a commit offers its free slots to the stages that wait for it alone (ADR 0009).

What is handed over begins at once. Its message comes all the same, to this process or another; here it is acked unread.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from workers.kit.stores.drops import Claim, Committed, Completed, Drops, Outcome, StoredEvent, StoreDown
from workers.kit.stores.handover import Heir

from .outbox import Counts
from .publish import message_of
from .pull import PullLoop

Wake = Callable[[str, str, str], Awaitable[None]]
"""Asks the workers of a stage, for a tenant, to look at a workflow."""


class Delivery(Protocol):
    """What a stage's work is asked for by, and answers to."""

    @property
    def subject(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str] | None: ...
    @property
    def data(self) -> bytes: ...
    async def ack(self) -> None: ...
    async def nak(self) -> None: ...
    async def term(self) -> None: ...
    async def in_progress(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Handed:
    """A claim that came with the commit before it. There is nothing to ack; who can't go on with it wakes the stage."""

    claim: Claim
    event: StoredEvent
    wake: Wake

    @property
    def subject(self) -> str:
        return self.event.subject

    @property
    def headers(self) -> Mapping[str, str]:
        return message_of(self.event).headers

    @property
    def data(self) -> bytes:
        return message_of(self.event).body

    async def ack(self) -> None:
        return

    async def nak(self) -> None:
        await self.wake(self.claim.stage, self.claim.tenant, self.claim.workflow)

    async def term(self) -> None:
        return

    async def in_progress(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class Seat:
    """Where an heir works in this process."""

    heir: Heir
    loop: PullLoop
    work: Callable[[Handed], Awaitable[None]]


class Handover:
    """One a process: who waits for whom."""

    def __init__(self, drops: Drops, wake: Wake, counts: Counts) -> None:
        self._drops = drops
        self._wake = wake
        self._counts = counts
        self._seats: defaultdict[str, list[Seat]] = defaultdict(list)

    def seat(self, stage: str, seat: Seat) -> None:
        """It may be handed a row when `stage` completes."""
        self._seats[stage].append(seat)

    async def commit(
        self, claim: Claim, outcome: Outcome, commit: Callable[[Sequence[Heir]], Awaitable[Committed]]
    ) -> Committed:
        """Commit with the heirs that have a free slot; those that got a claim begin."""
        waiting = self._seats.get(claim.stage, ()) if isinstance(outcome, Completed) else ()
        kept = {seat.heir.stage: seat for seat in waiting if seat.loop.reserve()}
        try:
            committed = await commit([seat.heir for seat in kept.values()])
            for handed in committed.handed:
                seat = kept.pop(handed.stage)
                await self._begin(seat, Handed(handed, committed.events[0], self._wake))
        finally:
            for seat in kept.values():  # before anything is waited for: who is cancelled again leaves none behind
                seat.loop.free()
            for seat in kept.values():
                await seat.loop.ask()
        return committed

    async def _begin(self, seat: Seat, handed: Handed) -> None:
        if seat.loop.begin(partial(seat.work, handed), handed.subject):
            self._counts.add("handed", stage=handed.claim.stage)
            return
        with contextlib.suppress(StoreDown):  # then its lease passes
            await self._drops.release(handed.claim)
