"""Twins of the stores in memory, for unit tests: the same decisions, one shared state, no durability.

Nothing here awaits between reading and writing, so each method is atomic.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from contracts.events import Ref
from contracts.topology import LIFECYCLE, Topology

from . import news, standing
from .drops import (
    ArtifactLost,
    Claim,
    Committed,
    DeadLetter,
    DropRow,
    Failed,
    KeyConflict,
    NewWorkflow,
    NoClaim,
    Outcome,
    Remembered,
    Retry,
    StoredEvent,
    Submitted,
    WorkflowRow,
    WorkflowState,
)
from .keys import artifact_key
from .standing import Change, Row
from .submissions import checked


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Workflow:
    """One workflow: what was submitted, how it stands, its drops by (stage, revision), its events as written."""

    new: NewWorkflow
    created_at: datetime
    deadline: datetime
    state: WorkflowState = "active"
    error: str = ""
    ended_at: datetime | None = None
    rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    events: dict[str, tuple[datetime, StoredEvent]] = field(default_factory=dict)

    def end(self, state: WorkflowState, error: str, now: datetime) -> None:
        """Into a terminal state, with its open rows closed."""
        self.state, self.error, self.ended_at = state, error, now
        for key, row in self.rows.items():
            if row.state in standing.OPEN:
                self.rows[key] = msgspec.structs.replace(
                    row, state="closed", lease_until=None, retry_at=None, updated_at=now
                )

    def tell(self, events: Sequence[StoredEvent], now: datetime) -> None:
        """Keep new events."""
        for event, time in zip(events, news.moments(now, len(events)), strict=True):
            if event.id in self.events:
                raise ValueError(f"the event {event.id} is there already")
            self.events[event.id] = (time, event)


@dataclass(slots=True)
class Memory:
    """What MemoryDrops and MemoryReads share."""

    clock: Callable[[], datetime] = _now
    workflows: dict[str, Workflow] = field(default_factory=dict)
    letters: dict[tuple[str, str], DeadLetter] = field(default_factory=dict)
    stream: str = ""

    def unpublished(self, stages: Sequence[str], tenant: str, older_s: float, limit: int) -> Sequence[StoredEvent]:
        """Of one tenant, or of all ('')."""
        latest = self.clock() - timedelta(seconds=older_s)
        found = [
            (time, event.id, event)
            for workflow in self.workflows.values()
            if tenant in {"", workflow.new.tenant}
            for time, event in workflow.events.values()
            if event.stage in stages and not event.seq and time <= latest
        ]
        return [event for _, _, event in sorted(found, key=lambda entry: entry[:2])[:limit]]

    def published(self, events: Sequence[StoredEvent]) -> None:
        """Note sequences, each once."""
        for event in events:
            known = self.workflows[event.workflow].events
            time, kept = known[event.id]
            if not kept.seq:
                known[event.id] = (time, msgspec.structs.replace(kept, seq=event.seq))

    def remembered(self) -> Remembered:
        """The stream and its highest noted event."""
        seqs = ((event.seq, name) for found in self.workflows.values() for name, (_, event) in found.events.items())
        seq, event = max((known for known in seqs if known[0]), default=(0, ""))
        return Remembered(created=self.stream, seq=seq, event=event)


@dataclass(frozen=True, slots=True)
class MemoryDrops:
    """Drops and StreamLedger."""

    memory: Memory
    topology: Topology

    async def claim(
        self,
        stage: str,
        tenant: str,
        workflow: str,
        *,
        lease_s: float,
        attempts: int,
        takes: Collection[str] = (),
    ) -> Claim | NoClaim:
        found, now = self._mine(tenant, workflow), self.memory.clock()
        if found is None:
            return NoClaim(reason="unknown")
        rows = list(found.rows.values())
        look = standing.look(self.topology, stage, found.state, found.created_at, rows, now, takes)
        if isinstance(look, NoClaim):
            return look
        taken = standing.claim_of(
            look,
            tenant=tenant,
            workflow=workflow,
            stage=stage,
            submission=found.new.submission,
            traceparent=found.new.traceparent,
        )
        error = standing.exhausted(look, attempts)
        if error:
            change = Change(state="failed", error=error, ends="failed")
            events = self._write(found, standing.spent(taken), change, Failed(error=error), now)
            return NoClaim(reason="exhausted", error=error, events=events)
        found.rows[stage, taken.revision] = Row(
            stage=stage,
            revision=taken.revision,
            state="running",
            epoch=taken.epoch,
            attempts=taken.attempt,
            created_at=look.row.created_at if look.row else now,
            updated_at=now,
            lease_until=now + timedelta(seconds=lease_s),
            inputs=news.inputs_of(taken),
            error=look.row.error if look.row else "",
        )
        return taken

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        found, now = self.memory.workflows[claim.workflow], self.memory.clock()
        row = found.rows.get((claim.stage, claim.revision))
        if row is None or not standing.holds(claim, row):
            return False
        stands = standing.due(self.topology, claim.stage, found.rows.values()) == claim.revision
        found.rows[claim.stage, claim.revision] = (
            msgspec.structs.replace(row, lease_until=now + timedelta(seconds=lease_s))
            if stands
            else msgspec.structs.replace(row, state="superseded", lease_until=None, updated_at=now)
        )
        return stands

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        found = self._mine(claim.tenant, claim.workflow)
        if found is None:
            return Committed(state="lost")
        change = standing.settle(self.topology, claim, found.state, list(found.rows.values()), outcome)
        if change is None:
            return Committed(state="lost")
        return Committed(state=change.state, events=self._write(found, claim, change, outcome, self.memory.clock()))

    async def release(self, claim: Claim) -> None:
        found, now = self.memory.workflows[claim.workflow], self.memory.clock()
        row = found.rows.get((claim.stage, claim.revision))
        if row is not None and standing.holds(claim, row):
            found.rows[claim.stage, claim.revision] = msgspec.structs.replace(
                row, state="retry", attempts=row.attempts - 1, lease_until=None, retry_at=now, updated_at=now
            )

    async def unpublished(self, stages: Sequence[str], *, older_s: float, limit: int) -> Sequence[StoredEvent]:
        return self.memory.unpublished(stages, "", older_s, limit)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        self.memory.published(events)

    async def runnable(self, stage: str, *, absent_s: float | None, limit: int) -> Sequence[tuple[str, str]]:
        now = self.memory.clock()
        stalled, absent = [], []
        for name, found in sorted(self.memory.workflows.items()):
            rows = list(found.rows.values())
            look = standing.look(self.topology, stage, found.state, found.created_at, rows, now)
            if isinstance(look, NoClaim):
                continue
            if not look.absent:
                stalled.append((found.new.tenant, name))
            elif absent_s is not None and look.since <= now - timedelta(seconds=absent_s):
                absent.append((found.new.tenant, name))
        return (stalled + absent)[:limit]

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        now = self.memory.clock()
        overdue = [found for found in self.memory.workflows.values() if found.state == "active"]
        overdue = [found for found in overdue if found.deadline <= now]
        told = []
        for found in sorted(overdue, key=lambda found: found.new.id)[:limit]:
            new, newest = found.new, standing.newest(found.rows.values())
            event = news.expired(new.tenant, new.id, found.deadline, newest, now, new.traceparent)
            found.end("expired", news.EXPIRED, now)
            found.tell([event], now)
            told.append(event)
        return told

    async def bury(self, letter: DeadLetter) -> None:
        kept = msgspec.structs.replace(
            letter, body=letter.body[: news.MAX_BODY], created_at=news.rfc3339(self.memory.clock())
        )
        self.memory.letters.setdefault((letter.tenant, letter.id), kept)

    async def remembered(self) -> Remembered:
        return self.memory.remembered()

    async def adopt(self, created: str, *, since_s: float) -> int:
        self.memory.stream, forgotten = created, 0
        since = self.memory.clock() - timedelta(seconds=since_s)
        for found in self.memory.workflows.values():
            for name, (time, event) in found.events.items():
                if event.seq and time > since:
                    found.events[name] = (time, msgspec.structs.replace(event, seq=0))
                    forgotten += 1
        return forgotten

    def _mine(self, tenant: str, workflow: str) -> Workflow | None:
        found = self.memory.workflows.get(workflow)
        return found if found is not None and found.new.tenant == tenant else None

    def _write(
        self, found: Workflow, claim: Claim, change: Change, outcome: Outcome, now: datetime
    ) -> tuple[StoredEvent, ...]:
        events = news.told(claim, change, outcome, standing.newest(found.rows.values()), now)
        kept = standing.kept(change, outcome)
        key = (claim.stage, claim.revision)
        found.rows[key] = msgspec.structs.replace(
            found.rows[key],
            state=change.state,
            updated_at=now,
            lease_until=None,
            retry_at=now + timedelta(seconds=outcome.after_s) if isinstance(outcome, Retry) else None,
            artifact=kept.artifact if kept else None,
            media_type=kept.media_type if kept else "",
            opens=change.opens,
            target=change.target,
            unmet=change.unmet,
            error=news.plain(change.error),
        )
        if change.ends is not None:
            found.end(change.ends, news.plain(change.error), now)
        found.tell(events, now)
        return events


@dataclass(frozen=True, slots=True)
class MemoryReads:
    """ReadModel."""

    memory: Memory

    async def submit(self, new: NewWorkflow) -> Submitted:
        checked(new)
        known = self._with_key(new)
        if known is not None:
            if known.new.submission != new.submission:
                raise KeyConflict(f"the key {new.idempotency_key!r} came with another submission")
            owed = tuple(e for _, e in known.events.values() if e.stage == LIFECYCLE and not e.seq)
            return Submitted(id=known.new.id, created=False, events=owed)
        if new.id in self.memory.workflows:
            raise ValueError(f"the workflow {new.id} is there already")
        now = self.memory.clock()
        found = Workflow(new=new, created_at=now, deadline=now + timedelta(seconds=new.deadline_s))
        self.memory.workflows[new.id] = found
        told = news.submitted(new, now)
        found.tell([told], now)
        return Submitted(id=new.id, created=True, events=(told,))

    def _with_key(self, new: NewWorkflow) -> Workflow | None:
        if not new.idempotency_key:
            return None
        wanted = (new.tenant, new.idempotency_key)
        return next(
            (w for w in self.memory.workflows.values() if (w.new.tenant, w.new.idempotency_key) == wanted), None
        )

    def _of(self, tenant: str) -> list[Workflow]:
        return [found for found in self.memory.workflows.values() if found.new.tenant == tenant]

    def _one(self, tenant: str, workflow: str) -> Workflow | None:
        return next((found for found in self._of(tenant) if found.new.id == workflow), None)

    async def workflow(self, tenant: str, workflow: str) -> WorkflowRow | None:
        found = self._one(tenant, workflow)
        return _shown(found) if found else None

    async def workflows(self, tenant: str, *, before: str, limit: int, state: str = "") -> Sequence[WorkflowRow]:
        wanted = [w for w in self._of(tenant) if (not before or w.new.id < before) and state in {"", w.state}]
        return [_shown(found) for found in sorted(wanted, key=lambda w: w.new.id, reverse=True)[:limit]]

    async def drops(self, tenant: str, workflow: str) -> Sequence[DropRow]:
        found = self._one(tenant, workflow)
        rows = found.rows.values() if found else ()
        return [news.drop_of(workflow, row) for row in sorted(rows, key=lambda r: (r.created_at, r.revision, r.stage))]

    async def events(self, tenant: str, workflow: str) -> Sequence[StoredEvent]:
        found = self._one(tenant, workflow)
        kept = [(time, event.id, event) for time, event in found.events.values()] if found else []
        return [event for _, _, event in sorted(kept, key=lambda entry: entry[:2])]

    async def artifact(self, tenant: str, sha256: str) -> tuple[Ref, str] | None:
        rows = [row for found in self._of(tenant) for row in found.rows.values()]
        return next((((r.artifact, r.media_type)) for r in rows if r.artifact and r.artifact.sha256 == sha256), None)

    async def unpublished(self, stages: Sequence[str], *, older_s: float, limit: int) -> Sequence[StoredEvent]:
        return self.memory.unpublished(stages, "", older_s, limit)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        self.memory.published(events)

    async def remembered(self) -> Remembered:
        return self.memory.remembered()


def _shown(found: Workflow) -> WorkflowRow:
    return WorkflowRow(
        id=found.new.id,
        tenant=found.new.tenant,
        state=found.state,
        prompt=found.new.submission.prompt,
        language=found.new.submission.language,
        created_at=news.rfc3339(found.created_at),
        deadline=news.rfc3339(found.deadline),
        ended_at=news.rfc3339(found.ended_at),
        error=found.error,
    )


@dataclass(slots=True)
class MemoryArtifacts:
    """Artifacts."""

    objects: dict[str, bytes] = field(default_factory=dict)

    async def put(self, tenant: str, body: bytes, *, key: str = "") -> Ref:
        digest = sha256(body).hexdigest()
        key = key or artifact_key(tenant, digest)
        self.objects[key] = body
        return Ref(key=key, offset=0, length=len(body), sha256=digest)

    async def get(self, ref: Ref) -> bytes:
        return b"".join([chunk async for chunk in self.chunks(ref)])

    async def chunks(self, ref: Ref) -> AsyncIterator[bytes]:
        if ref.key not in self.objects:
            raise ArtifactLost(f"{ref.key} is not in the store")
        body = self.objects[ref.key][ref.offset : ref.offset + ref.length]
        yield body
        if sha256(body).hexdigest() != ref.sha256:
            raise ArtifactLost(f"{ref.key} does not hold the bytes that were written (sha256 {ref.sha256})")
