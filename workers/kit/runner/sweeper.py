"""The second chance of everything: events that were committed but not published, rows that no message has woken.

It looks at this process's own stages only and never claims; the first stage's workers also let waiting workflows in
and end those whose deadline has passed. Each duty fails alone; without faults it sends nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog
from nats.aio.client import Client

from contracts import subjects
from contracts.topology import LIFECYCLE, Topology
from workers.kit.settings import Settings
from workers.kit.stores.drops import Drops

from .outbox import NOTE_S, Counts, Outbox
from .publish import Publisher

UNPUBLISHED_S = 5
ABSENT_S = 5
LIMIT = 200
PAGES = 10
"""How much of a long queue one sweep takes."""
FILL_S = 0.25
REPEAT_S = 10
"""A wake that may still stand in the queue is not sent again before."""

log = structlog.get_logger(__name__)


class _Pending(msgspec.Struct, frozen=True, kw_only=True):
    num_pending: int


class Sweeper:
    """Sweeps for `stages` every `sweep_s` seconds."""

    def __init__(
        self,
        stages: Sequence[str],
        topology: Topology,
        drops: Drops,
        publisher: Publisher,
        outbox: Outbox,
        nc: Client,
        settings: Settings,
        counts: Counts,
    ) -> None:
        self._stages = tuple(stages)
        self._first = topology.first.name in stages
        self._drops = drops
        self._publisher = publisher
        self._outbox = outbox
        self._nc = nc
        self._settings = settings
        self._counts = counts
        self._woken: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Sweep until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._first:
                group.create_task(self._fill())
            while True:
                await asyncio.sleep(self._settings.sweep_s)
                await self.sweep()

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
        for stage in self._stages:
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
        stages = (*self._stages, LIFECYCLE) if self._first else self._stages
        for _ in range(PAGES):
            events = await self._drops.unpublished(stages, older_s=UNPUBLISHED_S, limit=LIMIT)
            self._counts.add("relayed", len(events))
            if not await self._outbox.send(events) or len(events) < LIMIT:
                return
            await asyncio.sleep(2 * NOTE_S)  # until those are noted, the next page would be the same

    async def _admit(self) -> None:
        for _ in range(PAGES):
            events = await self._drops.admit(most=self._settings.tenant_active, limit=LIMIT)
            if not await self._outbox.send(events) or len(events) < LIMIT:
                return

    async def _expire(self) -> None:
        await self._outbox.send(await self._drops.expire(limit=LIMIT))

    async def _wake(self, stage: str) -> None:
        queued = await self._queued(stage)
        runnable = await self._drops.runnable(stage, absent_s=None if queued else ABSENT_S, limit=LIMIT)
        now = time.monotonic()
        self._woken = {key: at for key, at in self._woken.items() if now - at < REPEAT_S}
        for tenant, workflow in runnable:
            if queued and (stage, workflow) in self._woken:
                continue
            await self._publisher.wake(stage, tenant, workflow)
            self._woken[stage, workflow] = now
            self._counts.add("wakes")

    async def _queued(self, stage: str) -> int:
        answer = await self._nc.request(f"$JS.API.CONSUMER.INFO.{subjects.STREAM}.{stage}", timeout=5)
        return msgspec.json.decode(answer.data, type=_Pending).num_pending
