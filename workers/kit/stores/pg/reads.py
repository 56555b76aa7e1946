"""The gateway's store: one tenant a transaction, which row-level security then holds to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from contracts.events import Ref
from contracts.subjects import STREAM
from contracts.topology import Topology
from workers.kit.stores import news
from workers.kit.stores.drops import (
    Controlled,
    DeadLetter,
    DropRow,
    LetterHead,
    NewWorkflow,
    Remembered,
    StoredEvent,
    Submitted,
    WorkflowRow,
)
from workers.kit.stores.forks import Fork, Forked, NoFork, Plan
from workers.kit.stores.submissions import checked

from . import commits, control, forks, letters, outbox, stream, submissions
from .group import Group
from .pool import Connection, Pool, as_tenant, connected
from .rows import (
    COLUMNS,
    WORKFLOW_COLUMNS,
    event_of,
    inputs_of,
    ref_of,
    row_of,
    workflow_of,
)

OWED = 10_000
"""Events that one process remembers as its own to publish; what is written beyond them in a long outage of the bus is
left to the workers' relay, as after a crash."""
SERVED, IN_TURN = 10_000, 20
"""Tenants whose deadlines one process looks after, and how many of them at each look; the first stage's workers look
after all."""
NOT_OWED = """
    SELECT mine.id FROM unnest($1::text[], $2::text[]) AS mine (workflow_id, id) WHERE NOT EXISTS (
        SELECT FROM events e WHERE e.workflow_id = mine.workflow_id AND e.id = mine.id AND e.published_seq IS NULL
    )
"""
WORKFLOW = f"SELECT {WORKFLOW_COLUMNS} FROM workflows WHERE tenant = $1 AND id = $2"  # noqa: S608
WORKFLOWS = f"""
    SELECT {WORKFLOW_COLUMNS} FROM workflows
    WHERE tenant = $1 AND ($2 = '' OR id < $2) AND ($3 = '' OR state = $3) ORDER BY id DESC LIMIT $4
"""  # noqa: S608  # constants only
DROPS = f"""
    SELECT {COLUMNS}, d.inputs FROM drops d WHERE d.tenant = $1 AND d.workflow_id = $2 AND d.unit = ''
    ORDER BY d.created_at, d.revision, d.stage
"""  # noqa: S608  # constants only
# What an earlier stream held is still to come into this one.
HISTORY = """
    SELECT workflow_id, id, tenant, stage, subject, body,
        CASE WHEN s.resent < e.published_seq AND e.published_seq < s.first_seq THEN NULL ELSE e.published_seq END
            AS published_seq
    FROM events e LEFT JOIN stream s ON s.name = $3 WHERE tenant = $1 AND workflow_id = $2 ORDER BY created_at, id
"""
ARTIFACT = f"""
    SELECT {COLUMNS} FROM drops d WHERE d.tenant = $1 AND d.artifact_sha256 = $2 LIMIT 1
"""  # noqa: S608  # constants only


class PgReads:
    """ReadModel for role ql_gateway."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._owed: dict[str, StoredEvent] = {}  # by id: this process's events not yet noted as published
        self._served: dict[str, None] = {}  # the tenants that asked for anything, the next to be looked after first
        self._submissions: dict[str, Group[tuple[NewWorkflow, int], Submitted]] = {}
        self._notes: dict[str, Group[Sequence[StoredEvent], None]] = {}

    @asynccontextmanager
    async def _as(self, tenant: str) -> AsyncIterator[Connection]:
        if len(self._served) < SERVED:
            self._served.setdefault(tenant)
        async with as_tenant(self._pool, tenant) as connection:
            yield connection

    async def submit(self, new: NewWorkflow, *, most: int) -> Submitted:
        checked(new)
        done = await self._submissions_of(new.tenant).ask((new, most))
        if done.created:
            self._owe(done.events)
        return done

    def _submissions_of(self, tenant: str) -> Group[tuple[NewWorkflow, int], Submitted]:
        """Submissions that come together share a transaction, which is one tenant's."""

        async def run(batch: Sequence[tuple[NewWorkflow, int]]) -> Sequence[Submitted | Exception]:
            async with self._as(tenant) as connection:
                return await submissions.submit(connection, tenant, batch)

        if tenant not in self._submissions:
            self._submissions[tenant] = Group(run, key=lambda asked: asked[0].idempotency_key or None)
        return self._submissions[tenant]

    def _owe(self, events: Sequence[StoredEvent]) -> None:
        """A crash before this line leaves the events to the workers, and so does a process that owes `OWED`."""
        for event in events:
            if len(self._owed) < OWED:
                self._owed[event.id] = event

    async def cancel(self, tenant: str, workflow: str, *, reason: str) -> Controlled | None:
        async with self._as(tenant) as connection:
            done = await control.cancel(connection, tenant, workflow, reason)
        self._owe(done.events if done else ())
        return done

    async def resume(self, tenant: str, workflow: str, *, deadline_s: float) -> Controlled | None:
        async with self._as(tenant) as connection:
            done = await control.resume(connection, tenant, workflow, deadline_s)
        self._owe(done.events if done else ())
        return done

    async def fork(self, fork: Fork, topology: Topology, *, most: int) -> Forked | Plan | NoFork:
        async with self._as(fork.tenant) as connection:
            done = await forks.fork(connection, topology, fork, most)
        if isinstance(done, Forked) and done.created:
            self._owe(done.events)
        return done

    async def forks(self, tenant: str, workflow: str) -> Sequence[str]:
        async with self._as(tenant) as connection:
            return await forks.forks_of(connection, tenant, workflow)

    async def letters(self, tenant: str, *, before: str, limit: int, workflow: str = "") -> Sequence[LetterHead]:
        async with self._as(tenant) as connection:
            return await letters.letters(connection, tenant, before, limit, workflow)

    async def letter(self, tenant: str, letter: str) -> DeadLetter | None:
        async with self._as(tenant) as connection:
            return await letters.letter(connection, tenant, letter)

    async def edit_letter(self, tenant: str, letter: str, body: bytes) -> DeadLetter | None:
        async with self._as(tenant) as connection:
            return await letters.edit(connection, tenant, letter, body)

    async def discard_letter(self, tenant: str, letter: str) -> bool:
        async with self._as(tenant) as connection:
            return await letters.discard(connection, tenant, letter)

    async def workflow(self, tenant: str, workflow: str) -> WorkflowRow | None:
        async with self._as(tenant) as connection:
            record = await connection.fetchrow(WORKFLOW, tenant, workflow)
        return workflow_of(record) if record else None

    async def workflows(self, tenant: str, *, before: str, limit: int, state: str = "") -> Sequence[WorkflowRow]:
        async with self._as(tenant) as connection:
            records = await connection.fetch(WORKFLOWS, tenant, before, state, limit)
        return [workflow_of(record) for record in records]

    async def drops(self, tenant: str, workflow: str) -> Sequence[DropRow]:
        async with self._as(tenant) as connection:
            records = await connection.fetch(DROPS, tenant, workflow)
        return [news.drop_of(workflow, row_of(record, inputs_of(record))) for record in records]

    async def events(self, tenant: str, workflow: str) -> Sequence[StoredEvent]:
        async with self._as(tenant) as connection:
            records = await connection.fetch(HISTORY, tenant, workflow, STREAM)
        return [event_of(record) for record in records]

    async def artifact(self, tenant: str, sha256: str) -> tuple[Ref, str] | None:
        async with self._as(tenant) as connection:
            record = await connection.fetchrow(ARTIFACT, tenant, sha256)
        ref = ref_of(record) if record else None
        return (ref, record["media_type"]) if record and ref else None

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        """Of some of the tenants that were served here, in turn."""
        found: list[StoredEvent] = []
        for tenant in list(self._served)[:IN_TURN]:
            async with self._as(tenant) as connection:
                events = await commits.expire(connection, limit)
            self._served[tenant] = self._served.pop(tenant)  # to the end
            self._owe(events)
            found += events
        return found

    async def unpublished(
        self, stages: Sequence[str], *, older_s: float, limit: int, without: Collection[str] = ()
    ) -> Sequence[StoredEvent]:
        """Of the tenants this process owes an event to; the first stage's workers look after all."""
        found: list[StoredEvent] = []
        for tenant in sorted({event.tenant for event in self._owed.values()}):
            async with self._as(tenant) as connection:
                await self._forget_published(connection, tenant)
                found += await outbox.unpublished(connection, stages, older_s, limit - len(found), without)
            if len(found) >= limit:
                break
        return found

    async def _forget_published(self, connection: Connection, tenant: str) -> None:
        """What a worker was quicker to publish is owed no more."""
        mine = [event for event in self._owed.values() if event.tenant == tenant]
        for record in await connection.fetch(NOT_OWED, [e.workflow for e in mine], [e.id for e in mine]):
            self._owed.pop(record["id"], None)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        for tenant in sorted({event.tenant for event in events}):
            mine = [event for event in events if event.tenant == tenant]
            await self._notes_of(tenant).ask(mine)
            for event in mine:
                self._owed.pop(event.id, None)

    def _notes_of(self, tenant: str) -> Group[Sequence[StoredEvent], None]:
        async def run(batch: Sequence[Sequence[StoredEvent]]) -> Sequence[None]:
            async with self._as(tenant) as connection:
                await outbox.published(connection, [event for events in batch for event in events])
            return [None] * len(batch)

        if tenant not in self._notes:
            self._notes[tenant] = Group(run)
        return self._notes[tenant]

    async def remembered(self) -> Remembered:
        async with connected(self._pool) as connection:
            return await stream.remembered(connection)
