"""Stages that an operator has paused: this process pulls nothing for them, and is handed nothing, until they go on.

Only the store says so: it is looked at every second, and at once after a nudge. What was begun is finished.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from workers.kit.stores.drops import Drops, StoreDown

from .pull import PullLoop

LOOK_S = 1.0
REASON = "paused"

log = structlog.get_logger(__name__)


class Pauses:
    """`stages`: those of this process that are paused, as of the last look."""

    def __init__(self, drops: Drops, loops: Sequence[PullLoop]) -> None:
        self._drops = drops
        self._loops = {loop.durable: loop for loop in loops}
        self._soon = asyncio.Event()
        self.stages: frozenset[str] = frozenset()

    def soon(self) -> None:
        """Something may have changed."""
        self._soon.set()

    async def run(self) -> None:
        """Until cancelled. A store that is away changes nothing."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._soon.wait()
            self._soon.clear()
            try:
                await self.look()
            except StoreDown as error:
                log.warning("pauses.unknown", error=str(error))
            except Exception:  # a look that failed must not end the looking
                log.exception("pauses.fault")

    async def look(self) -> None:
        """Do as the store says; raises `StoreDown`."""
        wanted = await self._drops.paused() & self._loops.keys()
        before, self.stages = self.stages, frozenset(wanted)
        if stopped := self.stages - before:
            log.warning("stages.paused", stages=sorted(stopped))
            await asyncio.gather(*(self._loops[stage].hold(REASON) for stage in stopped))
        if gone_on := before - self.stages:
            log.info("stages.go_on", stages=sorted(gone_on))
            for stage in gone_on:
                self._loops[stage].let_go(REASON)
