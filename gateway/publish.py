"""The gateway's outbox: what it wrote is published in the background, many events at a time, and again by the relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.topology import LIFECYCLE
from workers.kit.runner.publish import Held, NotPublished
from workers.kit.runner.publish import Publisher as Facts
from workers.kit.stores.drops import ReadModel, StoredEvent, StoreDown

PATIENCE_S = 5.0
"""For one batch on a silent bus; nobody waits for it."""
RELAY_S = 2.0
OLDER_S = 5.0
REFUSED_S = 10.0
"""An event that the stream refused lets those behind it pass for so long."""
BATCH = 200
QUEUE = 2000
"""Events waiting here at most: they are rows already, so what finds no place is the relay's."""
CLOSE_S = 1.0
_log = structlog.get_logger()


class BusDown(Exception):
    """The bus did not take a message that is stored nowhere else."""


class Publisher:
    """Facts are rows before they are messages, so a publish that fails loses nothing: the relay sends it later."""

    def __init__(self, nc: Client, reads: ReadModel) -> None:
        self._nc = nc
        self._facts = Facts(nc, reads)
        self._reads = reads
        self._refused: dict[str, float] = {}
        self._waiting: asyncio.Queue[StoredEvent] = asyncio.Queue(QUEUE)

    def soon(self, events: Sequence[StoredEvent]) -> None:
        """Have committed events published; returns at once, never raises."""
        for event in events:
            if self._waiting.full():
                return
            self._waiting.put_nowait(event)

    async def run(self) -> None:
        """Publish what waits and relay what is overdue, until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._flush())
            both.create_task(self._relay())

    async def drain(self) -> None:
        """Let what waits go out, for a moment: a gateway that stops leaves little to others."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._waiting.join()
        except TimeoutError:
            _log.warning("publish_later", events=self._waiting.qsize())

    async def cancelled(self, tenant: str, workflow: str) -> None:
        """Nudge whoever works at the workflow; a nudge may be lost, the next heartbeat says the same."""
        try:
            await self._nc.publish(subjects.cancel(tenant, workflow))
        except (NatsError, OSError) as error:
            _log.warning("nudge_lost", error=repr(error))

    async def pauses_changed(self) -> None:
        """Nudge every worker; a nudge may be lost, a look at the store a second later says the same."""
        try:
            await self._nc.publish(subjects.PAUSES)
        except (NatsError, OSError) as error:
            _log.warning("nudge_lost", error=repr(error))

    async def wake(self, stage: str, tenant: str, workflow: str) -> None:
        """Ask a stage to look at a workflow; raises `BusDown`."""
        try:
            await self._facts.wake(stage, tenant, workflow)
        except (NotPublished, NatsError, OSError, TimeoutError) as error:
            raise BusDown(f"the bus did not take it: {error!r}") from error

    async def _flush(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                async with asyncio.timeout(PATIENCE_S):
                    for _, fault in (await self._send(batch))[:1]:
                        raise fault
            except (NotPublished, NatsError, StoreDown, OSError, TimeoutError) as error:
                _log.warning("publish_later", error=repr(error), events=len(batch))
            except Exception as error:  # noqa: BLE001  one bad event must not end the publishing of all others
                _log.error("publish_later", error=repr(error), events=len(batch))
            finally:
                for _ in batch:
                    self._waiting.task_done()

    async def _relay(self) -> None:
        """A round that fails is followed by another; one that was full, at once. Deadlines are looked after too."""
        while True:
            await asyncio.sleep(RELAY_S)
            for duty in (self._expired, self._relayed):
                try:
                    while await duty() >= BATCH:
                        pass
                except Exception as error:  # noqa: BLE001  a relay that ends would lose its duty
                    _log.warning("relay_failed", duty=duty.__name__, error=str(error))

    async def _expired(self) -> int:
        events = await self._reads.expire(limit=BATCH)
        self.soon(events)
        return len(events)

    async def _relayed(self) -> int:
        now = time.monotonic()
        self._refused = {name: at for name, at in self._refused.items() if now - at < REFUSED_S}
        owed = await self._reads.unpublished([LIFECYCLE], older_s=OLDER_S, limit=BATCH, without=tuple(self._refused))
        for event, fault in await self._send(owed):
            if not isinstance(fault, NotPublished) or isinstance(fault, Held):
                raise fault
            _log.error("event_refused", event_id=event.id, error=str(fault))
            self._refused[event.id] = now
        return len(owed)

    async def _send(self, events: Sequence[StoredEvent]) -> list[tuple[StoredEvent, Exception]]:
        """Note what the bus took; what it did not, and why."""
        said = await self._facts.facts(events) if events else []
        if placed := [event for event in said if isinstance(event, StoredEvent)]:
            await self._reads.published(placed)
        return [(event, told) for event, told in zip(events, said, strict=True) if isinstance(told, Exception)]
