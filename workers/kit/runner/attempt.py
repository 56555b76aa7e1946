"""One attempt at a claim: load what the stage asks for, call it, store what it made; how it ended is an `Outcome`.

Errors of the stage become Retry or Failed; inputs that are gone become `Lost`. A store that is down is nobody's fault:
that goes up.
"""

from __future__ import annotations

import asyncio
import math
import random
import traceback
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256

import msgspec
import structlog

from contracts import artifacts as bodies
from contracts.artifacts import Capsule, StandIn
from contracts.events import ModelCalls, Ref
from observability.telemetry import traceparent
from workers.kit import crash
from workers.kit.binding import Binding, StageCall
from workers.kit.stage import Permanent, Refused, Reject, Run, Transient
from workers.kit.standing_in import inherited, own
from workers.kit.stores.drops import (
    ArtifactLost,
    Artifacts,
    CapsuleHead,
    Claim,
    Completed,
    Drops,
    Failed,
    Outcome,
    Rejected,
    Retry,
    StoreDown,
)
from workers.kit.stores.keys import capsule_key
from workers.kit.tally import tally

from .memo import Memo

MOST_ASKED_S = 120.0
"""A stage may ask for a longer pause than this; it does not get it."""

STOP_S = 5.0
"""A stage that takes no notice of its time limit is told again so often."""

SHOWN_S = 0.05
"""Work that is over before this is not told to be begun: its event is the better news."""

log = structlog.get_logger(__name__)


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """The artifacts of these inputs' stages are gone or changed; nothing was done."""

    stages: tuple[str, ...]
    error: str


class BackOff(msgspec.Struct, frozen=True, kw_only=True):
    """Full jitter: a random pause up to a bound that doubles with every attempt, but never under `least_s`."""

    least_s: float = 2
    most_s: float = 300

    def after(self, attempt: int) -> float:
        """Seconds until the attempt after this one."""
        bound = min(self.most_s, self.least_s * 2 ** min(attempt, 30))
        return random.uniform(self.least_s, bound)  # noqa: S311  # spreads load, hides nothing


class Attempts:
    """Makes attempts at one stage's claims."""

    def __init__(
        self,
        binding: Binding,
        call: StageCall,
        artifacts: Artifacts,
        *,
        limit: int,
        back_off: BackOff,
        memo: Memo | None = None,
    ) -> None:
        self._binding = binding
        self._call = call
        self._artifacts = artifacts
        self._limit = limit
        self._back_off = back_off
        self._memo = memo or Memo(binding, "")

    @property
    def takes(self) -> Collection[str]:
        """The ancestors whose drops a claim has to name."""
        return self._binding.takes

    async def wished(self, claim: Claim, drops: Drops) -> Claim:
        """The claim with how its stage asks models, where that may be another way: in a fork."""
        if not claim.forked or not self._binding.row.asks_model:
            return claim
        asks = await drops.asked(claim.tenant, claim.workflow)
        return msgspec.structs.replace(claim, asking=asks.get(claim.stage, claim.asking))

    async def known(self, claim: Claim, drops: Drops) -> Completed | None:
        """What the tenant has from equal work, in a fork; nothing where its bytes are gone."""
        if not self._memo.serves(claim):
            return None
        memo = self._memo.key(claim)
        found = await drops.recall(claim.tenant, memo)
        if found is None or found.artifact is None:
            return None
        body = await self._body(found.artifact)
        if isinstance(body, ArtifactLost):
            log.warning("memo.lost", drop=found.id, error=str(body))
            return None
        done_at = found.memo_of or found.revision
        return Completed(
            artifact=found.artifact,
            media_type=found.media_type,
            memo=memo,
            reused=found.id,
            memo_of=done_at if done_at != claim.revision else 0,
        )

    async def make(self, claim: Claim, started: Callable[[Claim], None] | None = None) -> Outcome | Lost:
        """Do the work of `claim`; `started` is called when the stage has been at it for `SHOWN_S`.

        `StoreDown` is raised; cancelling stops the stage, and so does its time limit.
        """
        limit_s = self._binding.row.limit_s
        watch = _Watch(limit_s, claim, started)
        try:
            return await self._made(claim)
        except asyncio.CancelledError:
            if watch.late():
                return self._again(claim, f"the stage took longer than {limit_s:g} s")
            raise
        finally:
            watch.end()

    async def _made(self, claim: Claim) -> Outcome | Lost:
        try:
            given = await self._arguments(claim)
        except msgspec.DecodeError as error:
            return self._again(claim, f"an input can't be used: {error}")
        if isinstance(given, Lost):
            return given
        arguments, stood_in = given
        try:
            with tally() as counted:
                product = await self._call(**arguments)
            return await self._stored(claim, product, counted.told(), stood_in)
        except StoreDown:
            raise
        except Transient as error:
            return self._again(claim, str(error), error.retry_after)
        except Permanent as error:
            return Failed(error=str(error), refused=isinstance(error, Refused))
        except asyncio.CancelledError as error:
            if _told_to_stop():
                raise
            return self.bug(claim, error)
        except Exception as error:  # noqa: BLE001  # whatever a stage raises is counted
            return self.bug(claim, error)

    def bug(self, claim: Claim, error: BaseException) -> Outcome:
        """The outcome of something that nobody foresaw: it is tried again, as often as anything else."""
        log.error("stage.bug", exc_info=error)
        return self._again(claim, traceback.format_exception_only(error)[-1].strip())

    async def _arguments(self, claim: Claim) -> tuple[dict[str, object], tuple[StandIn, ...]] | Lost:
        """What the stage is called with, and who stood in for what that was made from."""
        binding = self._binding
        arguments: dict[str, object] = {}
        if binding.submission:
            arguments[binding.submission] = claim.submission
        wanted = {name: claim.inputs[stage] for name, stage in binding.inputs.items()}
        wanted |= {name: claim.repair[stage] for name, stage in binding.repairs.items() if stage in claim.repair}
        loaded = await self._loaded([drop.ref for drop in wanted.values()])
        missing = [
            (drop, body) for drop, body in zip(wanted.values(), loaded, strict=True) if not isinstance(body, bytes)
        ]
        if missing:
            stages = tuple(dict.fromkeys(drop.input.stage for drop, _ in missing))
            return Lost(stages=stages, error="; ".join(str(error) for _, error in missing))
        found = {name: body for name, body in zip(wanted, loaded, strict=True) if isinstance(body, bytes)}
        arguments |= {name: bodies.decode(body, binding.types[name]) for name, body in found.items()}
        stood_in = inherited(found[name] for name in binding.inputs)
        if binding.run:
            arguments[binding.run] = _run(claim, stood_in)
        return arguments, stood_in

    async def _loaded(self, refs: Sequence[Ref]) -> list[bytes | ArtifactLost]:
        """Each one's bytes, or that they are lost: all are looked at, so that all can be made again at once."""
        if len(refs) == 1:
            return [await self._body(refs[0])]
        return await asyncio.gather(*map(self._body, refs)) if refs else []

    async def _body(self, ref: Ref) -> bytes | ArtifactLost:
        try:
            return await self._artifacts.get(ref)
        except ArtifactLost as error:
            return error

    async def _stored(
        self, claim: Claim, product: msgspec.Struct, calls: tuple[ModelCalls, ...], stood_in: tuple[StandIn, ...]
    ) -> Outcome:
        report = product.report if isinstance(product, Reject) else product
        if not isinstance(report, self._binding.row.produces):
            expected = self._binding.row.produces.__name__
            return self._again(claim, f"the stage returned a {type(report).__name__} instead of a {expected}")
        if isinstance(product, Reject) and product.target not in self._binding.row.repairs:
            return self._again(claim, f"the stage rejects to {product.target!r}, which is none of its repairs")
        body, media_type = bodies.encode(report, (*stood_in, *own(claim.stage, calls)))
        key = ""
        if isinstance(report, Capsule):
            key = capsule_key(claim.tenant, claim.workflow, sha256(body).hexdigest())
        crash.at(claim.stage, "before_s3")
        ref = await self._artifacts.put(claim.tenant, body, key=key)
        crash.at(claim.stage, "after_s3")
        if isinstance(product, Reject):
            findings = len(product.findings)
            return Rejected(artifact=ref, media_type=media_type, target=product.target, findings=findings, calls=calls)
        # What a stand-in wrote is no answer to equal work of a workflow that has money.
        memo = "" if own(claim.stage, calls) else self._memo.key(claim)
        return Completed(artifact=ref, media_type=media_type, capsule=_head(report), calls=calls, memo=memo)

    def _again(self, claim: Claim, error: str, asked_s: float | None = None) -> Outcome:
        if claim.attempt >= self._limit:
            return Failed(error=f"{error} (attempt {claim.attempt} of {self._limit})")
        # What is asked for may be some server's Retry-After: any number, or none.
        if asked_s is None or not math.isfinite(asked_s) or asked_s < 0:
            return Retry(error=error, after_s=self._back_off.after(claim.attempt))
        return Retry(error=error, after_s=min(asked_s, MOST_ASKED_S))


class _Watch:
    """One timer for an attempt, made in its task: first it tells that the stage is at work, then it stops it."""

    def __init__(self, limit_s: float, claim: Claim, started: Callable[[Claim], None] | None) -> None:
        self._limit_s = limit_s
        self._claim = claim
        self._started = started
        self._stops = 0
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(min(SHOWN_S, limit_s), self._show)

    def _show(self) -> None:
        self._timer = self._loop.call_later(max(0.0, self._limit_s - SHOWN_S), self._stop)
        if self._started is not None:
            self._started(self._claim)

    def _stop(self) -> None:
        if self._task is not None:
            self._stops += 1
            self._task.cancel()
            self._timer = self._loop.call_later(STOP_S, self._stop)

    def late(self) -> bool:
        """Whether the cancellation that arrived is the timer's, and nobody else's."""
        return self._took_back() and self._task is not None and not self._task.cancelling()

    def _took_back(self) -> bool:
        stops, self._stops = self._stops, 0
        for _ in range(stops):
            if self._task is not None:
                self._task.uncancel()
        return stops > 0

    def end(self) -> None:
        """The attempt is over."""
        self._timer.cancel()
        self._took_back()


def _told_to_stop() -> bool:
    """Whether this task is being cancelled, and not just something that the stage awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _run(claim: Claim, stood_in: tuple[StandIn, ...]) -> Run:
    return Run(
        tenant=claim.tenant,
        workflow=claim.workflow,
        stage=claim.stage,
        revision=claim.memo_of or claim.revision,  # what is lost is asked for as it was asked for the first time
        inputs={stage: drop.input for stage, drop in claim.inputs.items()},
        attempt=claim.attempt,
        traceparent=traceparent() or claim.traceparent,
        stood_in=stood_in,
        model=claim.asking.model,
        template=claim.asking.template,
    )


def _head(product: msgspec.Struct) -> CapsuleHead | None:
    if not isinstance(product, Capsule):
        return None
    return CapsuleHead(name=product.name, grade=product.grade, reasons=product.reasons)
