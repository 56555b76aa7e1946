"""The twin of the workers' store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from contracts.topology import Topology
from workers.kit.stores import news, standing
from workers.kit.stores.asks import Asks
from workers.kit.stores.drops import (
    Claim,
    Committed,
    Completed,
    DeadLetter,
    DropRow,
    Failed,
    LetterWriter,
    NoClaim,
    Outcome,
    Remembered,
    Retry,
    StoredEvent,
)
from workers.kit.stores.handover import Heir, inherited
from workers.kit.stores.lost import lost_rows, reopened, waiting
from workers.kit.stores.standing import Change, Row
from workers.kit.stores.stream import History

from .state import Memory, Workflow


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
        letter: LetterWriter | None = None,
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
            newest=standing.newest(rows),
            forked=found.fork.stage if found.fork else "",
        )
        error = standing.exhausted(look, attempts)
        if error:
            change = standing.given_up(look.row, error)
            events = self._write(found, standing.spent(taken), change, Failed(error=error), now)
            kept = letter(error, taken.drop) if letter else None
            if kept:
                await self.bury(kept)
            return NoClaim(reason="exhausted", error=error, events=events, letter=kept)
        row = look.row or _begun(taken, now)
        found.rows[stage, taken.revision] = _running(row, taken, now, lease_s)
        return taken

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        found, now = self.memory.workflows[claim.workflow], self.memory.clock()
        row = found.rows.get((claim.stage, claim.revision))
        if row is None or not standing.holds(claim, row):
            return False
        stands = standing.still_due(self.topology, row, found.rows.values())
        found.rows[claim.stage, claim.revision] = (
            msgspec.structs.replace(row, lease_until=now + timedelta(seconds=lease_s))
            if stands
            else msgspec.structs.replace(row, state="superseded", lease_until=None, updated_at=now)
        )
        return stands

    async def commit(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter | None = None, heirs: Sequence[Heir] = ()
    ) -> Committed:
        found = self._mine(claim.tenant, claim.workflow)
        if found is None:
            return Committed(state="lost")
        rows = list(found.rows.values())
        change = standing.settle(self.topology, claim, found.state, rows, outcome, standing.retried(rows))
        if change is None:
            return Committed(state="lost")
        now = self.memory.clock()
        events = self._write(found, claim, change, outcome, now)
        refused = isinstance(outcome, Failed) and outcome.refused
        kept = letter(change.error, claim.drop) if letter and change.state == "failed" and not refused else None
        if kept:
            await self.bury(kept)
        plain = standing.at_once(self.topology, claim, outcome) == change
        handed = self._handed(found, claim, outcome, heirs, now) if plain and isinstance(outcome, Completed) else ()
        return Committed(state=change.state, events=events, letter=kept, handed=handed)

    def _handed(
        self, found: Workflow, claim: Claim, outcome: Completed, heirs: Sequence[Heir], now: datetime
    ) -> tuple[Claim, ...]:
        if standing.newest(found.rows.values()) != claim.newest:
            return ()
        handed = list[Claim]()
        for heir in heirs:
            taken = inherited(self.topology, claim, outcome, heir)
            if taken is not None and (heir.stage, taken.revision) not in found.rows:
                found.rows[heir.stage, taken.revision] = _running(_begun(taken, now), taken, now, heir.lease_s)
                handed.append(taken)
        return tuple(handed)

    async def disown(self, claim: Claim, heirs: Sequence[Heir]) -> None:
        rows, now = self.memory.workflows[claim.workflow].rows, self.memory.clock()
        mine = rows.get((claim.stage, claim.revision))
        if mine is None or (mine.state, mine.epoch) != ("completed", claim.epoch):
            return
        for key in [(heir.stage, claim.revision) for heir in heirs]:
            row = rows.get(key)
            if row is not None and (row.state, row.epoch, row.created_at) == ("running", 1, mine.updated_at):
                rows[key] = msgspec.structs.replace(
                    row, state="retry", attempts=0, lease_until=None, retry_at=now, updated_at=now
                )

    async def asked(self, tenant: str, workflow: str) -> Asks:
        found = self._mine(tenant, workflow)
        return found.asks if found else {}

    async def recall(self, tenant: str, memo: str) -> DropRow | None:
        for name, found in sorted(self.memory.workflows.items(), reverse=True):
            for key, kept in found.memos.items():
                row = found.rows[key]
                if kept == memo and found.new.tenant == tenant and row.state == "completed" and not row.unmet:
                    return news.drop_of(name, row)
        return None

    async def release(self, claim: Claim, *, after_s: float = 0) -> None:
        found, now = self.memory.workflows[claim.workflow], self.memory.clock()
        row = found.rows.get((claim.stage, claim.revision))
        if row is not None and standing.holds(claim, row):
            found.rows[claim.stage, claim.revision] = msgspec.structs.replace(
                row,
                state="retry",
                attempts=row.attempts - 1,
                lease_until=None,
                retry_at=now + timedelta(seconds=after_s),
                updated_at=now,
            )

    async def rearm(self, claim: Claim, lost: Collection[str], *, after_s: float) -> bool:
        found, now = self._mine(claim.tenant, claim.workflow), self.memory.clock()
        if found is None:
            return False
        again = lost_rows(self.topology, claim, found.state, list(found.rows.values()), lost)
        if again is None:
            return False
        for row in again:
            found.rows[row.stage, row.revision] = reopened(row, now)
        key = (claim.stage, claim.revision)
        found.rows[key] = waiting(found.rows[key], lost, now, after_s)
        return True

    async def admit(self, *, most: int, limit: int) -> Sequence[StoredEvent]:
        queues = self.memory.waiting()
        turns = [
            (turn, found.new.id, found)
            for tenant, queue in queues.items()
            for turn, found in enumerate(queue[: max(0, self.memory.room(tenant, most))])
        ]
        now, told = self.memory.clock(), list[StoredEvent]()
        for _, _, found in sorted(turns, key=lambda entry: entry[:2])[:limit]:
            events = found.admit(now)
            found.tell(events, now)
            told += events
        return told

    async def unpublished(
        self, stages: Sequence[str], *, older_s: float, limit: int, without: Collection[str] = ()
    ) -> Sequence[StoredEvent]:
        return self.memory.unpublished(stages, "", older_s, limit, without)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        self.memory.published(events)

    async def runnable(
        self, stage: str, *, absent_s: float | None, limit: int, takes: Collection[str] = ()
    ) -> Sequence[tuple[str, str]]:
        now = self.memory.clock()
        stalled, absent = [], []
        for name, found in sorted(self.memory.workflows.items()):
            if found.admitted_at is None:
                continue
            rows = list(found.rows.values())
            look = standing.look(self.topology, stage, found.state, found.admitted_at, rows, now, takes)
            if isinstance(look, NoClaim):
                continue
            if not look.absent:
                stalled.append((found.new.tenant, name))
            elif absent_s is not None and look.since <= now - timedelta(seconds=absent_s):
                absent.append((found.new.tenant, name))
        return (stalled + absent)[:limit]

    async def on_duty(self, duty: str, *, for_s: float) -> bool:
        now, duties = self.memory.clock(), self.memory.duties
        mine = duty not in duties or duties[duty] <= now
        if mine:
            duties[duty] = now + timedelta(seconds=for_s)
        return mine

    async def ranks(self, process: str, stages: Sequence[str], *, for_s: float) -> Mapping[str, int]:
        now, known = self.memory.clock(), self.memory.ranks
        for other in [other for other, (_, until) in known.items() if until < now and other != process]:
            del known[other]
        older = list(known)[: list(known).index(process)] if process in known else list(known)
        known[process] = (frozenset(stages), now + timedelta(seconds=for_s))
        return {stage: sum(stage in known[other][0] for other in older) for stage in stages}

    async def leave(self, process: str) -> None:
        self.memory.ranks.pop(process, None)

    async def paused(self) -> frozenset[str]:
        return frozenset(self.memory.pauses)

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        return self.memory.expire(limit)

    async def bury(self, letter: DeadLetter) -> None:
        kept = msgspec.structs.replace(
            letter, body=letter.body[: news.MAX_BODY], created_at=news.rfc3339(self.memory.clock())
        )
        self.memory.letters.setdefault((letter.tenant, letter.id), kept)

    async def remembered(self) -> Remembered:
        return self.memory.remembered()

    async def adopt(self, created: str, was: str, *, first_seq: int, again_s: float) -> bool:
        memory = self.memory
        if memory.stream != was or created == was:
            return False
        memory.adopt_again = memory.clock() + timedelta(seconds=again_s) if was else None
        memory.stream, memory.first_seq, memory.resent = created, first_seq, 0 if was else first_seq
        return True

    async def revive(self) -> int:
        memory, revived = self.memory, 0
        if memory.adopt_again is None:
            return 0
        for found in memory.workflows.values():
            for name, (time, event) in found.events.items():
                if found.state == "active" and 0 < event.seq < memory.first_seq:
                    found.events[name] = (time, msgspec.structs.replace(event, seq=0))
                    revived += 1
        if memory.adopt_again <= memory.clock():
            memory.adopt_again, memory.resent = None, 0
        return revived

    async def history(self, *, since_s: float, limit: int) -> History | None:
        memory, since = self.memory, self.memory.clock() - timedelta(seconds=since_s)
        if memory.resent >= memory.first_seq:
            return None
        old = [
            (event.seq, event)
            for found in memory.workflows.values()
            for time, event in found.events.values()
            if memory.resent < event.seq < memory.first_seq and time > since
        ]
        events = [event for _, event in sorted(old, key=lambda entry: entry[0])[:limit]]
        through = events[-1].seq if len(events) == limit else memory.first_seq
        return History(events=events, first_seq=memory.first_seq, after=memory.resent, through=through)

    async def resent(self, history: History, refused: Collection[str] = ()) -> None:
        for event in history.events:
            known = self.memory.workflows[event.workflow].events
            time, kept = known[event.id]
            if event.id in refused and kept.seq < history.first_seq:
                known[event.id] = (time, msgspec.structs.replace(kept, seq=0))
        if (self.memory.first_seq, self.memory.resent) == (history.first_seq, history.after):
            self.memory.resent = history.through

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
            retry_at=now + timedelta(seconds=outcome.after_s)
            if isinstance(outcome, Retry) and change.state != "failed"
            else None,
            artifact=kept.artifact if kept else None,
            media_type=kept.media_type if kept else "",
            opens=change.opens,
            target=change.target,
            unmet=change.unmet,
            error=news.plain(change.error),
            memo_of=outcome.memo_of if isinstance(outcome, Completed) and outcome.memo_of else found.rows[key].memo_of,
        )
        if isinstance(kept, Completed) and kept.memo and change.state == "completed" and not change.unmet:
            found.memos[key] = kept.memo
        if change.ends is not None:
            found.end(change.ends, news.plain(change.error), now)
        found.tell(events, now)
        return events


def _begun(claim: Claim, now: datetime) -> Row:
    """A row that was absent."""
    return Row(
        stage=claim.stage,
        revision=claim.revision,
        state="running",
        epoch=0,
        attempts=0,
        created_at=now,
        updated_at=now,
    )


def _running(row: Row, claim: Claim, now: datetime, lease_s: float) -> Row:
    """The row as the claim takes it."""
    return msgspec.structs.replace(
        row,
        state="running",
        epoch=claim.epoch,
        attempts=claim.attempt,
        updated_at=now,
        lease_until=now + timedelta(seconds=lease_s),
        retry_at=None,
        inputs=news.inputs_of(claim),
    )
