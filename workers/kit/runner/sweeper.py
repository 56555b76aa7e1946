"""The second chance of everything: events that were committed but not published, rows that no message has woken.

It looks at this process's own stages only and never claims; the first stage's workers also let waiting workflows in,
end those whose deadline has passed, and tell a new stream what a lost one held. Each duty fails alone; without faults
it sends nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog
from nats.aio.client import Client

from contracts import subjects
from contracts.topology import LIFECYCLE, Topology
from workers.kit.settings import Settings
from workers.kit.stores.drops import Drops
from workers.kit.stores.stream import RETENTION_S

from .api import call
from .outbox import Counts, Outbox
from .pausing import Pauses
from .publish import Publisher

UNPUBLISHED_S = 5
ABSENT_S = 5
LIMIT = 200
PAGES = 10
"""How much of a long queue one sweep takes."""
FILL_S = 0.25
REPEAT_S = 10
"""A wake that may still stand in the queue is not sent again before."""
REFUSED_S = 10
"""An event that the stream refused lets those behind it pass for so long."""
REST = 200
"""A look for absent rows, which reads every active workflow, is followed by a rest so many times as long, in which none
of the stage's processes looks."""
MOST_REST_S = 30.0
"""No rest is longer, however slow the look was: what no message has woken waits for it."""
JITTER = 0.25
TURN = 0.7
"""Of the time between two looks: so long nobody else of the same stages looks. Who is alone has every turn."""

log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps for `stages`, each with what its claims take, every `sweep_s` seconds."""

    def __init__(
        self,
        stages: Mapping[str, Collection[str]],
        topology: Topology,
        drops: Drops,
        publisher: Publisher,
        outbox: Outbox,
        nc: Client,
        settings: Settings,
        counts: Counts,
        pauses: Pauses | None = None,
    ) -> None:
        self._stages = dict(stages)
        self._first = topology.first.name in stages
        self._drops = drops
        self._publisher = publisher
        self._outbox = outbox
        self._nc = nc
        self._settings = settings
        self._counts = counts
        self._pauses = pauses
        self._woken: dict[tuple[str, str], float] = {}
        self._refused: dict[str, float] = {}
        self._rest_s: dict[str, float] = {}
        self._behind = False
        """Of new events more wait than the last sweep took."""

    async def run(self) -> None:
        """Sweep until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._first:
                group.create_task(self._fill())
            while True:
                await asyncio.sleep(self._settings.sweep_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311  # spreads load
                if await self.turn():
                    await self.sweep()

    async def turn(self) -> bool:
        """Whether none of this one's kind has swept just now; one that has lost the bus takes nobody's turn."""
        if not self._nc.is_connected:
            return True
        try:
            return await self._drops.on_duty(f"sweep {' '.join(self._stages)}", for_s=TURN * self._settings.sweep_s)
        except Exception as error:  # noqa: BLE001  # the store is away
            log.warning("sweep.failed", duty="turn", error=str(error) or type(error).__name__)
            return False

    async def _fill(self) -> None:
        """Where workflows end there is room for others."""
        while True:
            await self._outbox.ended.wait()
            self._outbox.ended.clear()
            await self._duty("admit", self._admit)
            await asyncio.sleep(FILL_S)

    async def sweep(self) -> None:
        """One look at everything."""
        await self._duty("relay", self._relay)
        if self._first and not self._behind:
            await self._duty("resend", self._resend)
        paused = self._pauses.stages if self._pauses else ()
        for stage in self._stages:
            if stage in paused:  # nobody would come
                continue
            await self._duty(f"wake {stage}", self._wake, stage)
        if self._first:
            await self._duty("admit", self._admit)
            await self._duty("expire", self._expire)

    async def _duty(self, name: str, duty: Callable[..., Awaitable[None]], *arguments: str) -> None:
        try:
            await duty(*arguments)
        except Exception as error:  # noqa: BLE001  # a store or the bus is away; the other duties need not be
            log.warning("sweep.failed", duty=name, error=str(error) or type(error).__name__)

    async def _relay(self) -> None:
        stages = (*self._stages, LIFECYCLE) if self._first else tuple(self._stages)
        now = time.monotonic()
        self._refused = {name: at for name, at in self._refused.items() if now - at < REFUSED_S}
        self._behind = True
        for _ in range(PAGES):
            events = await self._drops.unpublished(
                stages, older_s=UNPUBLISHED_S, limit=LIMIT, without=tuple(self._refused)
            )
            if not events:
                self._behind = False
                return
            self._counts.add("relayed", len(events))
            placed, refused = await self._outbox.relay(events)
            self._refused |= dict.fromkeys(refused, now)
            if not (placed or refused):  # the bus is away
                return
            if len(events) < LIMIT:
                self._behind = False
                return

    async def _resend(self) -> None:
        """What an earlier stream held: nobody waits for it, so it comes after everything else, from one process."""
        turn_s = TURN * self._settings.sweep_s
        for page in range(PAGES):
            history = await self._drops.history(since_s=RETENTION_S, limit=LIMIT)
            if history is None or not (page or await self._drops.on_duty("resend", for_s=turn_s)):
                return
            self._counts.add("relayed", len(history.events))
            placed, refused = await self._outbox.relay(history.events)
            self._refused |= dict.fromkeys(refused, time.monotonic())
            if placed + len(refused) < len(history.events):  # the bus is away, or the stream is full
                return
            await self._drops.resent(history, refused)

    async def _admit(self) -> None:
        for _ in range(PAGES):
            events = await self._drops.admit(most=self._settings.tenant_active, limit=LIMIT)
            if not await self._outbox.send(events) or len(events) < LIMIT:
                return

    async def _expire(self) -> None:
        await self._outbox.send(await self._drops.expire(limit=LIMIT))

    async def _wake(self, stage: str) -> None:
        queued = await self._queued(stage)
        rest_s, began = self._rest_s.get(stage, self._settings.sweep_s / 2), time.monotonic()
        absent = not queued and await self._drops.on_duty(f"wake {stage}", for_s=rest_s)
        if absent:  # one that fails says nothing about the next one's rest
            self._rest_s.pop(stage, None)
        runnable = await self._drops.runnable(
            stage, absent_s=ABSENT_S if absent else None, limit=LIMIT, takes=self._stages[stage]
        )
        now = time.monotonic()
        if absent:
            self._rest_s[stage] = self._rest(now - began, full=len(runnable) == LIMIT)
        self._woken = {key: at for key, at in self._woken.items() if now - at < REPEAT_S}
        for tenant, workflow in runnable:
            if queued and (stage, workflow) in self._woken:
                continue
            await self._publisher.wake(stage, tenant, workflow)
            self._woken[stage, workflow] = now
            self._counts.add("wakes", stage=stage)

    def _rest(self, took_s: float, *, full: bool) -> float:
        """Until anybody looks again; a little less than a sweep where that will do, so that the next one may."""
        least = self._settings.sweep_s / 2
        return least if full else min(MOST_REST_S, max(least, REST * took_s))

    async def _queued(self, stage: str) -> int:
        pending: int = (await call(self._nc, f"CONSUMER.INFO.{subjects.STREAM}.{stage}"))["num_pending"]
        return pending
