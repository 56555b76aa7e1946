"""The gateway's outbox: publishes what a submission wrote, at once and (the relay) again where that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from nats.errors import Error as NatsError

from contracts.topology import LIFECYCLE
from workers.kit.runner.publish import NotPublished
from workers.kit.runner.publish import Publisher as Facts
from workers.kit.stores.drops import ReadModel, StoredEvent, StoreDown

PATIENCE_S = 1.0
"""A caller waits no longer for a silent bus: its submission is a row already."""
RELAY_S = 2.0
OLDER_S = 5.0
BATCH = 200
_log = structlog.get_logger()


class Publisher:
    """Facts are rows before they are messages, so a publish that fails loses nothing: the relay sends it later."""

    def __init__(self, facts: Facts, reads: ReadModel) -> None:
        self._facts = facts
        self._reads = reads

    async def publish(self, events: Sequence[StoredEvent]) -> None:
        """Publish and note the sequences; never raises for a bus or a store that is down or slow."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._send(events)
        except (NotPublished, NatsError, StoreDown, OSError, TimeoutError) as error:
            _log.warning("publish_later", error=repr(error), events=len(events))

    async def _send(self, events: Sequence[StoredEvent]) -> None:
        await self._reads.published([await self._facts.fact(event) for event in events])

    async def relay(self) -> None:
        """Publish what is unpublished, for ever; a round that fails is followed by another."""
        while True:
            await asyncio.sleep(RELAY_S)
            try:
                await self._send(await self._reads.unpublished([LIFECYCLE], older_s=OLDER_S, limit=BATCH))
            except Exception as error:  # noqa: BLE001  a relay that ends would lose its duty
                _log.warning("relay_failed", error=str(error))
