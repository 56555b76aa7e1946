"""The twin of the gateway's store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import msgspec

from contracts.events import Ref
from contracts.topology import LIFECYCLE, Topology
from workers.kit.stores import forks, news, standing
from workers.kit.stores.drops import (
    Controlled,
    DeadLetter,
    DropRow,
    KeyConflict,
    LetterHead,
    NewWorkflow,
    Remembered,
    StoredEvent,
    Submitted,
    WorkflowRow,
)
from workers.kit.stores.forks import Fork, Forked, NoFork, Plan
from workers.kit.stores.submissions import checked

from .state import Memory, Workflow

DEFAULT, UNKNOWN = "default", "unknown"
"""Who sees the letters whose tenant could not be read; the twin has no table of tenants."""


@dataclass(frozen=True, slots=True)
class MemoryReads:
    """ReadModel."""

    memory: Memory

    async def submit(self, new: NewWorkflow, *, most: int) -> Submitted:
        checked(new)
        known = self._with_key(new)
        if known is not None:
            if (known.new.submission, known.new.budget) != (new.submission, new.budget):
                raise KeyConflict(f"the key {new.idempotency_key!r} came with another submission")
            owed = tuple(e for _, e in known.events.values() if e.stage == LIFECYCLE and not e.seq)
            return Submitted(id=known.new.id, created=False, events=owed)
        if new.id in self.memory.workflows:
            raise ValueError(f"the workflow {new.id} is there already")
        now = self.memory.clock()
        deadline = now + timedelta(seconds=new.deadline_s)
        found = Workflow(new=new, created_at=now, deadline=deadline)
        waits = new.tenant in self.memory.waiting() or self.memory.room(new.tenant, most) <= 0
        self.memory.workflows[new.id] = found
        told = () if waits else found.admit(now)
        found.tell(told, now)
        return Submitted(id=new.id, created=True, events=told)

    async def cancel(self, tenant: str, workflow: str, *, reason: str) -> Controlled | None:
        found, now = self._one(tenant, workflow), self.memory.clock()
        if found is None:
            return None
        if found.state != "active":
            return Controlled(workflow=_shown(found), done=False)
        newest, trace = standing.newest(found.rows.values()), found.new.traceparent
        told = (*found.admit(now), news.cancelled(tenant, workflow, reason, newest, now, trace))
        found.end("cancelled", news.plain(reason), now)
        found.tell(told, now)
        return Controlled(workflow=_shown(found), done=True, events=told)

    async def resume(self, tenant: str, workflow: str, *, deadline_s: float) -> Controlled | None:
        found, now = self._one(tenant, workflow), self.memory.clock()
        if found is None:
            return None
        opener = standing.resumed(list(found.rows.values()), now) if found.state == "failed" else None
        if opener is None:
            return Controlled(workflow=_shown(found), done=False)
        found.rows[opener.stage, opener.revision] = opener
        found.state, found.error, found.ended_at = "active", "", None
        found.deadline = max(found.deadline, now + timedelta(seconds=deadline_s))
        for letter in await self.letters(tenant, before="", limit=len(self.memory.letters), workflow=workflow):
            if letter.kind == "work":
                del self.memory.letters[letter.tenant, letter.id]
        told = (news.resumed(tenant, workflow, opener, now, found.new.traceparent),)
        found.tell(told, now)
        return Controlled(workflow=_shown(found), done=True, events=told)

    async def fork(self, fork: Fork, topology: Topology, *, most: int) -> Forked | Plan | NoFork:
        parent, now = self._one(fork.tenant, fork.parent), self.memory.clock()
        if parent is None:
            return NoFork(code="unknown_workflow", detail=f"There is no workflow {fork.parent}.")
        rows = list(parent.rows.values())
        wrong = forks.refused(topology, fork)
        if wrong is not None:
            return wrong
        plan = forks.planned(topology, fork, {})
        submission = forks.submission_of(fork, parent.new.submission.prompt, parent.new.submission.language)
        new = NewWorkflow(
            id=fork.id,
            tenant=fork.tenant,
            submission=submission,
            deadline_s=fork.deadline_s,
            budget=parent.new.budget,
            idempotency_key=fork.idempotency_key,
            traceparent=fork.traceparent,
        )
        known = self._with_key(new)
        if known is not None:
            if known.fork is None or forks.body_sha256(known.fork) != forks.body_sha256(fork):
                raise KeyConflict(f"the key {fork.idempotency_key!r} came with another wish")
            owed = tuple(event for _, event in known.events.values() if not event.seq)
            return Forked(id=known.new.id, created=False, plan=plan, events=owed)
        copied = forks.copies(topology, fork, rows, now)
        if isinstance(copied, NoFork):
            return copied
        if fork.dry:
            return plan
        if fork.tenant in self.memory.waiting() or self.memory.room(fork.tenant, most) <= 0:
            return NoFork(code="full", detail=f"{most} of your workflows are active: wait until one has ended.")
        found = Workflow(new=new, created_at=now, deadline=now + timedelta(seconds=fork.deadline_s), fork=fork)
        found.asks = forks.asks_of(topology, fork, parent.asks)
        found.admitted_at, found.rows = now, {(row.stage, 1): row for row in copied}
        first = news.submitted(fork.tenant, fork.id, submission, now, fork.traceparent, fork.parent)
        events = (first, *forks.told(fork, topology, rows, copied, now))
        found.tell(events, now)
        self.memory.workflows[fork.id] = found
        return Forked(id=fork.id, created=True, plan=plan, events=events)

    async def forks(self, tenant: str, workflow: str) -> Sequence[str]:
        mine = sorted(found.new.id for found in self._of(tenant) if found.fork and found.fork.parent == workflow)
        return mine[-forks.SHOWN :]

    async def letters(self, tenant: str, *, before: str, limit: int, workflow: str = "") -> Sequence[LetterHead]:
        found = sorted(self._letters(tenant), key=lambda letter: (letter.created_at, letter.id), reverse=True)
        following = [letter for letter in found if not before or letter.place < before]
        return [_head(letter) for letter in following if workflow in {"", letter.workflow}][:limit]

    async def letter(self, tenant: str, letter: str) -> DeadLetter | None:
        return next((found for found in self._letters(tenant) if found.id == letter), None)

    async def edit_letter(self, tenant: str, letter: str, body: bytes) -> DeadLetter | None:
        news.checked_body(body)
        found = await self.letter(tenant, letter)
        if found is None:
            return None
        edited = msgspec.structs.replace(found, body=body, sha256=sha256(body).hexdigest())
        self.memory.letters[found.tenant, letter] = edited
        return edited

    async def discard_letter(self, tenant: str, letter: str) -> bool:
        found = await self.letter(tenant, letter)
        if found is not None:
            del self.memory.letters[found.tenant, letter]
        return found is not None

    def _letters(self, tenant: str) -> list[DeadLetter]:
        mine = {tenant, UNKNOWN} if tenant == DEFAULT else {tenant}
        return [letter for letter in self.memory.letters.values() if letter.tenant in mine]

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
        return [self.memory.shown(event) for _, _, event in sorted(kept, key=lambda entry: entry[:2])]

    async def artifact(self, tenant: str, sha256: str) -> tuple[Ref, str] | None:
        rows = [row for found in self._of(tenant) for row in found.rows.values()]
        return next((((r.artifact, r.media_type)) for r in rows if r.artifact and r.artifact.sha256 == sha256), None)

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        return self.memory.expire(limit)

    async def unpublished(
        self, stages: Sequence[str], *, older_s: float, limit: int, without: Collection[str] = ()
    ) -> Sequence[StoredEvent]:
        return self.memory.unpublished(stages, "", older_s, limit, without)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        self.memory.published(events)

    async def remembered(self) -> Remembered:
        return self.memory.remembered()


def _head(letter: DeadLetter) -> LetterHead:
    return LetterHead(**{name: getattr(letter, name) for name in LetterHead.__struct_fields__})


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
        parent=found.fork.parent if found.fork else "",
        asks=found.asks,
    )
