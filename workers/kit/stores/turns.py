"""One question, one call, on however many routers: who has the turn asks, the others wait for the answer.

The turn is a lease: renewed while its router lives, free for the next one soon after it died.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import structlog

from .calls import Answer, Call, Ledger, Over, Spent
from .drops import StoreDown

LEASE_S = 8.0
FIRST_LOOK_S = 0.02
LONGEST_LOOK_S = 0.5
MONEY_S = 30.0
"""So long a call waits for the money that running calls hold."""
_log = structlog.get_logger()


class MoneyHeld(Exception):
    """Running calls hold what is left of a limit, and go on holding it."""


class Turn:
    """The right to ask: one of its methods is called when the model has answered or failed."""

    def __init__(self, ledger: Ledger, call: Call) -> None:
        self._ledger = ledger
        self._call = call
        self.token = uuid.uuid4().hex
        self.granted: float | None = None
        """US dollars to keep to, where a limit holds."""
        self.ended = False
        self.spent = Spent(outcome="failed")

    def told(self, pieces: Sequence[msgspec.Struct]) -> None:
        """The manifest, where the model was told less than was asked."""
        self._call = msgspec.structs.replace(self._call, pieces=pieces)

    async def settle(self, text: str, finish: str, spent: Spent, *, under: Call | None = None) -> Answer:
        """Keep the answer; what is kept is returned, and only that may be given to anybody.

        `under`: it answers this question only. Raises `AnswerTooLong`: what the call took is then for `note`.
        """
        self.spent = spent
        answer = await self._ledger.settle(self._named(under), self.token, text, finish, spent)
        if under is not None:
            await self._ledger.note(self._call, self.token, spent)  # of the same token: it counts once
        self.ended = True
        return answer

    async def note(self, spent: Spent, *, under: Call | None = None) -> None:
        """There is no answer to keep. `under`: the question whose answer was known."""
        self.spent = spent
        if under is not None:
            await self._ledger.note(self._named(under), self.token, spent)
        await self._ledger.note(self._call, self.token, spent)
        self.ended = True

    def _named(self, under: Call | None) -> Call:
        return self._call if under is None else msgspec.structs.replace(under, pieces=self._call.pieces)


class Turns:
    """Of one router."""

    def __init__(self, ledger: Ledger, *, lease_s: float = LEASE_S, money_s: float = MONEY_S) -> None:
        self._ledger = ledger
        self._money_s = money_s
        self._lease_s = lease_s
        self._running: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def turn(
        self, call: Call, *, estimate: float = 0.0, most: float = 0.0, full: float = 0.0
    ) -> AsyncIterator[Turn | Answer | Over]:
        """Wait for one of: the right to ask, the answer that another router got, the limit the call would cross.

        Where a limit leaves room beside the running calls, `full` is held, else `most`.
        A turn that is neither settled nor noted in its block is noted as failed, with what was said of its cost.
        Raises `MoneyHeld`.
        """
        turn = Turn(self._ledger, call)
        begun = await self._begin(call, turn, estimate, most, max(full, most))
        if not isinstance(begun, Turn):
            yield begun
            return
        self._hold(turn.token)
        try:
            yield begun
        finally:
            self._running.discard(turn.token)
            if not turn.ended:
                given_up = msgspec.structs.replace(
                    turn.spent,
                    outcome="failed",
                    code=turn.spent.code or "given_up",  # else its role would be blamed
                    detail="the call was given up",
                )
                with contextlib.suppress(StoreDown):
                    await asyncio.shield(turn.note(given_up))

    async def _begin(self, call: Call, turn: Turn, estimate: float, most: float, full: float) -> Turn | Answer | Over:
        pause, held_since, wanted = FIRST_LOOK_S, 0.0, full
        while True:
            begun = await self._ledger.begin(call, turn.token, estimate=estimate, most=wanted, lease_s=self._lease_s)
            if begun.verdict == "wait" and wanted > most:
                wanted = most
                continue
            if begun.verdict == "yours":
                turn.granted = begun.granted
                return turn
            if begun.verdict == "over" and begun.over is not None:
                return begun.over
            if begun.verdict == "known" and (answer := begun.answer or await self._ledger.known(call)) is not None:
                return answer
            if begun.verdict == "wait" and begun.over is not None:
                held_since = held_since or time.monotonic()
                if time.monotonic() - held_since > self._money_s:
                    raise MoneyHeld(f"{begun.over.sentence}, and calls that run now hold {begun.over.held:.4g} USD")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK_S)

    def _hold(self, token: str) -> None:
        self._running.add(token)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        """As long as anything runs."""
        while self._running:
            await asyncio.sleep(self._lease_s / 4)
            if running := tuple(self._running):
                try:
                    await self._ledger.renew(running, lease_s=self._lease_s)
                except Exception as error:  # noqa: BLE001  # without its lease each running call would be made twice
                    _log.warning("calls.renew", error=str(error) or type(error).__name__)
