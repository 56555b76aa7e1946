"""What a stage does with a message: claim, work under a heartbeat, commit, publish, ack (design: the stage protocol).

Every step may be repeated and every wait may be cut off: the store decides what still counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

import structlog
from nats.aio.msg import Msg

from contracts.events import Event
from observability.telemetry import SpanKind, span
from workers.kit.settings import Settings
from workers.kit.stores.drops import Claim, Committed, Drops, Failed, NoClaim, Outcome, Retry, StoredEvent, StoreDown

from . import receive
from .attempt import Attempts
from .publish import Held, NotPublished, Publisher

COMMIT_AGAIN_S = 0.5
STORE_AGAIN_S = 1.0
STOP_S = 5.0
"""How long a stage may take to notice that it was cancelled."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What one process has done since it started, by name."""

    done: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, by: int = 1) -> None:
        """One more of `name`."""
        self.done[name] += by


class StageWork:
    """Handles the messages of one stage's durable."""

    def __init__(
        self,
        stage: str,
        attempts: Attempts,
        drops: Drops,
        publisher: Publisher,
        settings: Settings,
        counts: Counts,
    ) -> None:
        self.stage = stage
        self._attempts = attempts
        self._drops = drops
        self._publisher = publisher
        self._settings = settings
        self._counts = counts

    async def handle(self, message: Msg) -> None:
        """Deal with one delivery. What it raises is a bug of ours: without an ack the message comes again."""
        try:
            await self._receive(message)
        except StoreDown as error:
            # Holds its slot for a while: a queue must not rush through a store that is away.
            log.warning("work.store_down", error=str(error))
            await asyncio.sleep(STORE_AGAIN_S)
            await message.nak()

    async def _receive(self, message: Msg) -> None:
        match receive.read(message.subject, message.headers, message.data):
            case receive.Dead(reason=reason):
                await self._bury(message, reason)
                await message.term()
            case receive.Newer(type=kind):
                # The row is in the store, where a worker that knows the version finds it by the sweeper's wake. A
                # delayed nak, or no ack, would hold one of the durable's pending places until the upgrade.
                log.warning("event.newer", type=kind)
                await message.ack()
            case receive.Look(tenant=tenant, workflow=workflow, event=event):
                with structlog.contextvars.bound_contextvars(workflow=workflow, stage=self.stage):
                    await self._look(message, tenant, workflow, event)

    async def _look(self, message: Msg, tenant: str, workflow: str, event: Event | None) -> None:
        lease_s, attempts = self._settings.lease_s, self._settings.attempts
        claim = await self._drops.claim(self.stage, tenant, workflow, lease_s=lease_s, attempts=attempts)
        if isinstance(claim, NoClaim):
            await self._idle(message, claim)
            await message.ack()
            return
        with structlog.contextvars.bound_contextvars(revision=claim.revision, attempt=claim.attempt):
            try:
                if event is not None and (reason := receive.contradiction(event, claim)):
                    await self._bury(message, reason)
                await self._do(message, claim)
            except asyncio.CancelledError:
                await self._drops.release(claim)
                await message.nak()
                raise
        if not message.is_acked:
            await message.ack()

    async def _idle(self, message: Msg, answer: NoClaim) -> None:
        """Nothing to do; a row whose workers all died has just ended its workflow, and somebody must say so."""
        self._counts.add(f"idle.{answer.reason}")
        if answer.reason == "exhausted":
            await publish_and_note(self._publisher, self._drops, answer.events, self._counts)
            await self._bury(message, answer.error)

    async def _do(self, message: Msg, claim: Claim) -> None:
        template = f"process ql.evt.{{tenant}}.{{workflow}}.{self.stage}"
        with span(template, SpanKind.CONSUMER, claim.traceparent, stage=self.stage) as current:
            await self._tell(claim, state="started", attempt=claim.attempt)
            try:
                outcome = await self._beating(message, claim)
            except StoreDown as error:
                # Not the stage's fault: the attempt does not count, and the sweeper's wake tries again.
                log.warning("work.store_down", error=str(error))
                await self._drops.release(claim)
                return
            if outcome is None:
                self._counts.add("superseded")
                return
            committed = await self._commit(claim, outcome)
            current.set_attribute("outcome", committed.state)
        self._counts.add(committed.state)
        if isinstance(outcome, Retry | Failed):
            log.warning("stage.not_done", outcome=committed.state, error=outcome.error)
        if isinstance(outcome, Failed) and claim.attempt >= self._settings.attempts:
            await self._bury(message, outcome.error)
        await self._tell(claim, state="finished", outcome=committed.state)

    async def _beating(self, message: Msg, claim: Claim) -> Outcome | None:
        """The outcome; None when the work was stopped, since it is no longer due or no longer ours."""
        work = asyncio.create_task(self._attempts.make(claim))
        beat = asyncio.create_task(self._beat(message, claim))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        finally:
            beat.cancel()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({work}, timeout=STOP_S)

    async def _beat(self, message: Msg, claim: Claim) -> None:
        """Signs of life to the bus and the store; returns when the store says to stop."""
        while True:
            await asyncio.sleep(self._settings.heartbeat_s)
            try:
                await message.in_progress()
                if not await self._drops.renew(claim, lease_s=self._settings.lease_s):
                    return
            except Exception as error:  # noqa: BLE001  # an unreachable store must not stop paid work; commit decides
                log.warning("work.heartbeat_missed", error=str(error))

    async def _commit(self, claim: Claim, outcome: Outcome) -> Committed:
        committed = await self._patiently(claim, outcome)
        await publish_and_note(self._publisher, self._drops, committed.events, self._counts)
        return committed

    async def _patiently(self, claim: Claim, outcome: Outcome) -> Committed:
        """Commit; while the store is away, try for as long as the lease may last: the work was paid for."""
        until = time.monotonic() + self._settings.lease_s
        while True:
            try:
                return await self._drops.commit(claim, outcome)
            except StoreDown as error:
                if time.monotonic() > until:
                    raise
                log.warning("work.commit_again", error=str(error))
                await asyncio.sleep(COMMIT_AGAIN_S)

    async def _bury(self, message: Msg, reason: str) -> None:
        letter = receive.letter(message.subject, message.headers, message.data, stage=self.stage, reason=reason)
        log.error("event.dead", letter=letter.id, reason=letter.reason)
        await self._drops.bury(letter)
        self._counts.add("dead")
        try:
            await self._publisher.dead(letter)
        except Exception as error:  # noqa: BLE001  # the row is the dead letter, this was only the news of it
            log.warning("event.dead_untold", letter=letter.id, error=str(error) or type(error).__name__)

    async def _tell(self, claim: Claim, **news: object) -> None:
        told = {"stage": claim.stage, "revision": claim.revision, **news}
        with contextlib.suppress(Exception):
            await self._publisher.live(claim.tenant, claim.workflow, claim.stage, told)


async def publish_and_note(publisher: Publisher, drops: Drops, events: tuple[StoredEvent, ...], counts: Counts) -> None:
    """Publish committed events in their order; what does not get there stays unpublished, for the sweeper."""
    placed = []
    for event in events:
        try:
            placed.append(await publisher.fact(event))
        except Held as error:
            log.warning("event.held", event_id=event.id, error=str(error))
            break
        except NotPublished as error:
            log.error("event.refused", event_id=event.id, error=str(error))
        except Exception as error:  # noqa: BLE001  # the bus is away: the rows are committed and will be sent
            log.warning("event.unpublished", event_id=event.id, error=str(error) or type(error).__name__)
            break
    if placed:
        counts.add("events", len(placed))
        try:
            await drops.published(placed)
        except StoreDown as error:  # then the sweeper publishes them once more, and learns where they stand
            log.warning("event.not_noted", error=str(error))
