"""Committed events on their way to the stream: published at once and in their order, noted a moment later in batches.

Nothing here is the only copy: what is cut off stays unpublished in the store, where a sweeper finds it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from contracts.topology import LIFECYCLE
from workers.kit.stores.drops import Drops, StoredEvent, StoreDown

from .publish import Held, NotPublished, Publisher

NOTE_S = 0.01
"""Nobody waits for a note, so it waits for company; not for long, since a stream lost now begins again above it."""

MOST = 256
"""Senders whose events go together: they all wait for the slowest answer."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What one process has done since it started, by name."""

    done: Counter[str] = field(default_factory=Counter)
    by_stage: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same by name and stage, where it was a stage's."""

    def add(self, name: str, by: int = 1, stage: str = "") -> None:
        """One more of `name`."""
        self.done[name] += by
        self.by_stage[name, stage] += by


class Outbox:
    """One a process. What is sent while a publish is under way goes with the next one."""

    def __init__(self, publisher: Publisher, drops: Drops, counts: Counts) -> None:
        self._publisher = publisher
        self._drops = drops
        self._counts = counts
        self._waiting: list[tuple[Sequence[StoredEvent], asyncio.Future[bool]]] = []
        self._publishing: asyncio.Task[None] | None = None
        self._placed: list[StoredEvent] = []
        self.ended = asyncio.Event()
        """Set when the state of a workflow is told: there may be room for one that waits."""
        self._noting: asyncio.Task[None] | None = None

    async def send(self, events: Sequence[StoredEvent]) -> bool:
        """Publish, also when the caller is cancelled; what does not get there stays unpublished, for the sweeper.

        Whether anything that was sent in the same moment got there.
        """
        if not events:
            return True
        if any(event.stage == LIFECYCLE for event in events):
            self.ended.set()
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, sent))
        if self._publishing is None:
            self._publishing = asyncio.create_task(self._publish())
        return await sent

    async def relay(self, events: Sequence[StoredEvent]) -> tuple[int, list[str]]:
        """Publish and note; how many got there, and the ids of those that the stream refused."""
        placed, refused = await published(self._publisher, events)
        if placed:
            self._counts.add("events", len(placed))
            await self._drops.published(placed)
        return len(placed), refused

    async def flush(self) -> None:
        """Before the process ends: publish and note everything."""
        while task := self._publishing or self._noting:
            await task

    async def _publish(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                placed: Sequence[StoredEvent] = ()
                try:
                    events = [event for events, _ in batch for event in events]
                    placed, _ = await published(self._publisher, events)
                    self._note_soon(placed)
                except Exception:  # those who come later must not wait for one who failed
                    log.exception("event.unpublished")
                finally:
                    for _, sent in batch:
                        if not sent.done():
                            sent.set_result(bool(placed))
        finally:
            self._publishing = None

    def _note_soon(self, placed: Sequence[StoredEvent]) -> None:
        if placed:
            self._counts.add("events", len(placed))
            self._placed += placed
            if self._noting is None:
                self._noting = asyncio.create_task(self._note())

    async def _note(self) -> None:
        try:
            while self._placed:
                await asyncio.sleep(NOTE_S)
                batch, self._placed = self._placed, []
                try:
                    await self._drops.published(batch)
                except StoreDown as error:  # then the sweeper publishes them once more, and learns where they stand
                    log.warning("event.not_noted", error=str(error))
                except Exception:
                    log.exception("event.not_noted")
        finally:
            self._noting = None


async def published(publisher: Publisher, events: Sequence[StoredEvent]) -> tuple[list[StoredEvent], list[str]]:
    """Those that are in the stream now, and the ids of those that it refused; why is logged, of the others too."""
    placed: list[StoredEvent] = []
    refused: list[str] = []
    for event, told in zip(events, await publisher.facts(events), strict=True):
        match told:
            case StoredEvent():
                placed.append(told)
            case Held():
                log.warning("event.held", event_id=event.id, error=str(told))
            case NotPublished():
                refused.append(event.id)
                log.error("event.refused", event_id=event.id, error=str(told))
            case _:  # the bus is away: the rows are committed and will be sent
                log.warning("event.unpublished", event_id=event.id, error=str(told) or type(told).__name__)
    return placed, refused
