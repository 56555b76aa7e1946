"""What the twins share: workflows with their rows and events, dead letters, the stream."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from workers.kit.stores import news, standing
from workers.kit.stores.asks import Asks
from workers.kit.stores.drops import DeadLetter, NewWorkflow, Remembered, StoredEvent, WorkflowState
from workers.kit.stores.forks import Fork
from workers.kit.stores.standing import Row


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Workflow:
    """One workflow: what was submitted, how it stands, its drops by (stage, revision), its events as written."""

    new: NewWorkflow
    created_at: datetime
    deadline: datetime
    admitted_at: datetime | None = None
    state: WorkflowState = "active"
    error: str = ""
    ended_at: datetime | None = None
    rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    events: dict[str, tuple[datetime, StoredEvent]] = field(default_factory=dict)
    fork: Fork | None = None
    asks: Asks = field(default_factory=dict)
    memos: dict[tuple[str, int], str] = field(default_factory=dict)

    def end(self, state: WorkflowState, error: str, now: datetime) -> None:
        """Into a terminal state, with its open rows closed."""
        self.state, self.error, self.ended_at = state, error, now
        for key, row in self.rows.items():
            if row.state in standing.OPEN:
                self.rows[key] = standing.closed(row, now)

    def admit(self, now: datetime) -> tuple[StoredEvent, ...]:
        """Onto the bus, if it still waits; what is then to be told."""
        if self.admitted_at is not None:
            return ()
        self.admitted_at, new = now, self.new
        return (news.submitted(new.tenant, new.id, new.submission, self.created_at, new.traceparent),)

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
    first_seq: int = 0
    resent: int = 0
    adopt_again: datetime | None = None
    duties: dict[str, datetime] = field(default_factory=dict)
    ranks: dict[str, tuple[frozenset[str], datetime]] = field(default_factory=dict)
    pauses: set[str] = field(default_factory=set)

    def room(self, tenant: str, most: int) -> int:
        """How many more of the tenant's workflows may be on the bus."""
        mine = [found for found in self.workflows.values() if found.new.tenant == tenant and found.state == "active"]
        return most - sum(found.admitted_at is not None for found in mine)

    def waiting(self) -> dict[str, list[Workflow]]:
        """The workflows that wait to be admitted, oldest first, by tenant."""
        found: dict[str, list[Workflow]] = {}
        for _, workflow in sorted(self.workflows.items()):
            if workflow.state == "active" and workflow.admitted_at is None:
                found.setdefault(workflow.new.tenant, []).append(workflow)
        return found

    def expire(self, limit: int) -> Sequence[StoredEvent]:
        """End what is overdue, oldest first."""
        now, told = self.clock(), list[StoredEvent]()
        overdue = [found for found in self.workflows.values() if found.state == "active" and found.deadline <= now]
        for found in sorted(overdue, key=lambda found: found.new.id)[:limit]:
            new, newest = found.new, standing.newest(found.rows.values())
            end = news.expired(new.tenant, new.id, found.deadline, newest, now, new.traceparent)
            events = (*found.admit(now), end)
            found.end("expired", news.EXPIRED, now)
            found.tell(events, now)
            told += events
        return told

    def unpublished(
        self, stages: Sequence[str], tenant: str, older_s: float, limit: int, without: Collection[str]
    ) -> Sequence[StoredEvent]:
        """Of one tenant, or of all ('')."""
        latest = self.clock() - timedelta(seconds=older_s)
        found = [
            (time, event.id, event)
            for workflow in self.workflows.values()
            if tenant in {"", workflow.new.tenant}
            for time, event in workflow.events.values()
            if event.stage in stages and not event.seq and time <= latest and event.id not in without
        ]
        return [event for _, _, event in sorted(found, key=lambda entry: entry[:2])[:limit]]

    def published(self, events: Sequence[StoredEvent]) -> None:
        """Note sequences of this stream; the highest stands."""
        for event in events:
            known = self.workflows[event.workflow].events
            time, kept = known[event.id]
            if kept.seq < event.seq and event.seq >= self.first_seq:
                known[event.id] = (time, msgspec.structs.replace(kept, seq=event.seq))

    def shown(self, event: StoredEvent) -> StoredEvent:
        """Without its sequence where it is still to come into this stream."""
        return msgspec.structs.replace(event, seq=0) if self.resent < event.seq < self.first_seq else event

    def remembered(self) -> Remembered:
        """The stream and its highest noted event."""
        seqs = ((event.seq, name) for found in self.workflows.values() for name, (_, event) in found.events.items())
        seq, event = max((known for known in seqs if known[0]), default=(0, ""))
        return Remembered(created=self.stream, first_seq=self.first_seq, seq=seq, event=event)
