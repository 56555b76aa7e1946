"""What a stage does with a message: claim, work, commit, publish, ack (design: the stage protocol).

Every step may be repeated and every wait may be cut off: the store decides what still counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from functools import partial

import msgspec
import structlog

from contracts.events import Event
from observability.telemetry import SpanKind, span
from workers.kit import crash
from workers.kit.settings import Settings
from workers.kit.stage import Transient
from workers.kit.stores.drops import (
    Claim,
    Committed,
    Completed,
    DeadLetter,
    Drops,
    Failed,
    LetterWriter,
    NoClaim,
    Outcome,
    Retry,
    StoreDown,
)
from workers.kit.stores.handover import Heir

from . import receive
from .attempt import MOST_ASKED_S, Attempts, Lost
from .handover import Delivery, Handed, Handover
from .outbox import Counts, Outbox
from .publish import Publisher
from .wheel import Wheel

COMMIT_AGAIN_S = 0.5
STORE_AGAIN_S = 1.0
REARMED_S = 1.0
"""After its inputs were lost a row waits so long at least for those who make them again."""

AWAY_S = (1.0, 5.0)
"""Work that a store was away for is done again after a pause between these."""

UNSETTLED = frozenset({"stopped", "lost"})
"""The store had nothing to settle: the message asks once more, for the claim itself may be what was lost."""

log = structlog.get_logger(__name__)


class StageWork:
    """Handles the messages of one stage's durable."""

    def __init__(
        self,
        stage: str,
        attempts: Attempts,
        drops: Drops,
        publisher: Publisher,
        outbox: Outbox,
        wheel: Wheel,
        handover: Handover,
        settings: Settings,
        counts: Counts,
    ) -> None:
        self.stage = stage
        self._span = f"process ql.evt.{{tenant}}.{{workflow}}.{stage}"
        self._attempts = attempts
        self._drops = drops
        self._publisher = publisher
        self._outbox = outbox
        self._wheel = wheel
        self._handover = handover
        self._settings = settings
        self._counts = counts
        self._takes = attempts.takes
        self._telling: set[asyncio.Task[None]] = set()

    async def handle(self, message: Delivery) -> None:
        """Deal with one delivery, in a task of its own. What it raises is a bug of ours: the message comes again."""
        try:
            if isinstance(message, Handed):
                await self._claimed(message, message.claim)
            else:
                await self._receive(message)
        except StoreDown as error:
            # Holds its slot for a while: a queue must not rush through a store that is away.
            log.warning("work.store_down", stage=self.stage, error=str(error))
            self._counts.add("idle.store_down", stage=self.stage)
            await asyncio.sleep(STORE_AGAIN_S)
            await message.nak()

    async def _receive(self, message: Delivery) -> None:
        match receive.read(message.subject, message.headers, message.data):
            case receive.Look(tenant=tenant, workflow=workflow, event=event):
                await self._look(message, tenant, workflow, event)
            case receive.Dead(reason=reason):
                await self._bury(message, reason)
                await message.term()
            case receive.Newer(type=kind):
                # The row is in the store, where a worker that knows the version finds it by the sweeper's wake. A
                # delayed nak, or no ack, would hold one of the durable's pending places until the upgrade.
                log.warning("event.newer", stage=self.stage, type=kind)
                await message.ack()

    async def _look(self, message: Delivery, tenant: str, workflow: str, event: Event | None) -> None:
        claim = await self._drops.claim(
            self.stage,
            tenant,
            workflow,
            lease_s=self._settings.lease_s,
            attempts=self._settings.attempts,
            takes=self._takes,
            letter=partial(self._letter, message),
        )
        if isinstance(claim, NoClaim):
            await self._idle(workflow, claim)
            await message.ack()
            return
        await self._claimed(message, claim, event)

    async def _claimed(self, message: Delivery, claim: Claim, event: Event | None = None) -> None:
        crash.at(self.stage, "after_claim")
        self._counts.add("claimed", stage=self.stage)
        # The task serves this one message: what is bound here ends with it.
        structlog.contextvars.bind_contextvars(
            workflow=claim.workflow, stage=self.stage, revision=claim.revision, attempt=claim.attempt
        )
        try:
            if event is not None and (reason := receive.contradiction(event, claim)):
                await self._bury(message, reason)
            state = await self._do(message, claim)
        except asyncio.CancelledError:
            await self._drops.release(claim)
            await message.nak()
            raise
        if state in UNSETTLED:
            await message.nak()
            return
        crash.at(self.stage, "before_ack")
        await message.ack()
        crash.at(self.stage, "after_ack")

    async def _idle(self, workflow: str, answer: NoClaim) -> None:
        """Nothing to do; a row whose workers all died has just ended its workflow, and somebody must say so."""
        self._counts.add(f"idle.{answer.reason}", stage=self.stage)
        if answer.reason == "exhausted":
            log.warning("stage.not_done", workflow=workflow, stage=self.stage, outcome="failed", error=answer.error)
            await self._outbox.send(answer.events)
            await self._tell_dead(answer.letter)

    async def _do(self, message: Delivery, claim: Claim) -> str:
        """Work, and write down how it ended: the state that the row has now, or one of `UNSETTLED`."""
        with span(self._span, SpanKind.CONSUMER, claim.traceparent, stage=self.stage) as current:
            try:
                state = await self._ended(claim, await self._worked(message, claim))
            except StoreDown as error:
                # Not the stage's fault: the attempt does not count, and the sweeper's wake tries again.
                log.warning("work.store_down", error=str(error))
                await self._drops.release(claim, after_s=_pause_s(error))
                self._counts.add("handed back", stage=self.stage)
                return "handed back"
            current.set_attribute("outcome", state)
        self._counts.add(state, stage=self.stage)
        if state not in {"completed", "rejected", "failed"}:  # of those their events tell
            await self._tell(claim, state="finished", outcome=state)
        return state

    async def _worked(self, message: Delivery, claim: Claim) -> Committed | Lost | None:
        """The outcome, committed; None when the work was stopped, since it is no longer due or no longer ours."""
        claim = await self._attempts.wished(claim, self._drops)
        with self._wheel.job(message, claim) as job:
            began = time.monotonic()
            outcome = await self._attempts.known(claim, self._drops) or await self._attempts.make(claim, self._started)
            if isinstance(outcome, Lost):
                return outcome
            if not isinstance(outcome, Retry):
                outcome = msgspec.structs.replace(outcome, work_ms=round((time.monotonic() - began) * 1000))
            crash.at(self.stage, "before_commit")
            job.settling = True
            commit = partial(self._patiently, claim, outcome, partial(self._letter, message))
            committed = await self._handover.commit(claim, outcome, commit)
            crash.at(self.stage, "after_commit")
            if isinstance(outcome, Completed) and outcome.reused:
                self._counts.add("reused", stage=self.stage)
            if isinstance(outcome, Retry | Failed):
                log.warning("stage.not_done", outcome=committed.state, error=outcome.error)
            return committed
        return None

    async def _ended(self, claim: Claim, done: Committed | Lost | None) -> str:
        """Tell how it ended: the state."""
        if done is None:
            return "stopped"
        if isinstance(done, Lost):
            return await self._rearm(claim, done)
        await self._outbox.send(done.events)
        crash.at(self.stage, "after_publish")
        await self._tell_dead(done.letter)
        return done.state

    async def _rearm(self, claim: Claim, lost: Lost) -> str:
        """Have the lost inputs made again; this row waits for them."""
        log.error("inputs.lost", stages=list(lost.stages), error=lost.error)
        if not await self._drops.rearm(claim, lost.stages, after_s=REARMED_S):
            return "superseded"
        for stage in lost.stages:
            with contextlib.suppress(Exception):  # the sweeper's wakes come anyway
                await self._publisher.wake(stage, claim.tenant, claim.workflow)
        return "rearmed"

    async def _patiently(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter, heirs: Sequence[Heir]
    ) -> Committed:
        """Commit; while the store is away, try for as long as the lease may last: the work was paid for."""
        until = time.monotonic() + self._settings.lease_s
        away = False
        while True:
            try:
                committed = await self._drops.commit(claim, outcome, letter, heirs)
                if away and committed.state == "lost" and heirs:  # to ourselves, perhaps: only the answer was lost
                    await self._drops.disown(claim, heirs)
                return committed
            except StoreDown as error:
                if time.monotonic() > until:
                    raise
                away = True
                log.warning("work.commit_again", error=str(error))
                await asyncio.sleep(COMMIT_AGAIN_S)
            except (
                ValueError
            ) as error:  # what was made can't be told, in an event for example: an attempt like any other
                if isinstance(outcome, Retry | Failed):
                    raise
                outcome = self._attempts.bug(claim, error)

    def _letter(self, message: Delivery, reason: str, drop: str = "") -> DeadLetter:
        return receive.letter(message.subject, message.headers, message.data, self.stage, reason, drop)

    async def _bury(self, message: Delivery, reason: str) -> None:
        letter = self._letter(message, reason)
        await self._drops.bury(letter)
        await self._tell_dead(letter)

    async def _tell_dead(self, letter: DeadLetter | None) -> None:
        """The news of a dead letter that was kept."""
        if letter is None:
            return
        log.error("event.dead", letter=letter.id, stage=self.stage, reason=letter.reason)
        self._counts.add("dead", stage=self.stage)
        try:
            await self._publisher.dead(letter)
        except Exception as error:  # noqa: BLE001  # the row is the dead letter, this was only the news of it
            log.warning("event.dead_untold", letter=letter.id, error=str(error) or type(error).__name__)

    def _started(self, claim: Claim) -> None:
        """The stage has been at work for a while: somebody may want to see it."""
        task = asyncio.create_task(self._tell(claim, state="started", attempt=claim.attempt))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, claim: Claim, **news: object) -> None:
        told = {"stage": claim.stage, "revision": claim.revision, **news}
        with contextlib.suppress(Exception):
            await self._publisher.live(claim.tenant, claim.workflow, claim.stage, told)


def _pause_s(away: StoreDown) -> float:
    """Until what could not be reached is tried again; a model's rate limit may ask for longer."""
    pause = random.uniform(*AWAY_S)  # noqa: S311  # spreads load
    asked = away.retry_after if isinstance(away, Transient) else None
    return pause if asked is None or not asked > pause else pause + min(asked, MOST_ASKED_S)
