"""The gateway's store: one tenant a transaction, which row-level security then holds to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from contracts.events import Ref
from contracts.topology import LIFECYCLE
from workers.kit.stores import news
from workers.kit.stores.drops import DropRow, KeyConflict, NewWorkflow, Remembered, StoredEvent, Submitted, WorkflowRow
from workers.kit.stores.submissions import body_sha256, checked

from . import outbox
from .commits import EVENTS
from .pool import Connection, Pool, connected, transaction
from .rows import (
    COLUMNS,
    EVENT_COLUMNS,
    WORKFLOW_COLUMNS,
    event_arrays,
    event_of,
    inputs_of,
    ref_of,
    row_of,
    workflow_of,
)

SUBMIT = """
    INSERT INTO workflows (
        id, tenant, prompt, language, body_sha256, idempotency_key, traceparent, deadline, created_at
    )
    SELECT $1, $2, $3, $4, $5, $6, $7, now + $8::interval, now FROM clock_timestamp() AS now
    ON CONFLICT (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING created_at
"""
SAME_KEY = "SELECT id, body_sha256 FROM workflows WHERE tenant = $1 AND idempotency_key = $2"
OWED = f"""
    SELECT {EVENT_COLUMNS} FROM events WHERE workflow_id = $1 AND stage = $2 AND published_seq IS NULL
"""  # noqa: S608  # constants only
NOT_OWED = """
    SELECT workflow_id FROM unnest($1::text[]) AS mine (workflow_id) WHERE NOT EXISTS (
        SELECT FROM events e WHERE e.workflow_id = mine.workflow_id AND e.stage = $2 AND e.published_seq IS NULL
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
HISTORY = f"""
    SELECT {EVENT_COLUMNS} FROM events WHERE tenant = $1 AND workflow_id = $2 ORDER BY created_at, id
"""  # noqa: S608  # constants only
ARTIFACT = f"""
    SELECT {COLUMNS} FROM drops d WHERE d.tenant = $1 AND d.artifact_sha256 = $2 LIMIT 1
"""  # noqa: S608  # constants only


class PgReads:
    """ReadModel for role ql_gateway."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._owed: dict[str, str] = {}  # tenant by workflow: this process's submissions not yet noted as published

    @asynccontextmanager
    async def _as(self, tenant: str) -> AsyncIterator[Connection]:
        async with transaction(self._pool) as connection:
            await connection.execute("SELECT set_config('ql.tenant', $1, true)", tenant)
            yield connection

    async def submit(self, new: NewWorkflow) -> Submitted:
        checked(new)
        done = await self._submit(new)
        if done.created:  # a crash before this line leaves the event to the workers
            self._owed[new.id] = new.tenant
        return done

    async def _submit(self, new: NewWorkflow) -> Submitted:
        async with self._as(new.tenant) as connection:
            created = await connection.fetchval(
                SUBMIT,
                new.id,
                new.tenant,
                new.submission.prompt,
                new.submission.language,
                body_sha256(new.submission),
                new.idempotency_key or None,
                new.traceparent,
                timedelta(seconds=new.deadline_s),
            )
            if created is None:
                return await self._again(connection, new)
            told = news.submitted(new, created)
            await connection.execute(EVENTS, *event_arrays([told], [created]))
            return Submitted(id=new.id, created=True, events=(told,))

    async def _again(self, connection: Connection, new: NewWorkflow) -> Submitted:
        found = await connection.fetchrow(SAME_KEY, new.tenant, new.idempotency_key)
        if found is None or found["body_sha256"] != body_sha256(new.submission):
            raise KeyConflict(f"the key {new.idempotency_key!r} came with another submission")
        owed = await connection.fetch(OWED, found["id"], LIFECYCLE)
        return Submitted(id=found["id"], created=False, events=tuple(event_of(record) for record in owed))

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
            records = await connection.fetch(HISTORY, tenant, workflow)
        return [event_of(record) for record in records]

    async def artifact(self, tenant: str, sha256: str) -> tuple[Ref, str] | None:
        async with self._as(tenant) as connection:
            record = await connection.fetchrow(ARTIFACT, tenant, sha256)
        ref = ref_of(record) if record else None
        return (ref, record["media_type"]) if record and ref else None

    async def unpublished(self, stages: Sequence[str], *, older_s: float, limit: int) -> Sequence[StoredEvent]:
        """Of the tenants this process owes an event to; the first stage's workers look after all."""
        found: list[StoredEvent] = []
        for tenant in sorted(set(self._owed.values())):
            async with self._as(tenant) as connection:
                await self._forget_published(connection, tenant)
                found += await outbox.unpublished(connection, stages, older_s, limit - len(found))
            if len(found) >= limit:
                break
        return found

    async def _forget_published(self, connection: Connection, tenant: str) -> None:
        """What a worker was quicker to publish is owed no more."""
        mine = [workflow for workflow, owner in self._owed.items() if owner == tenant]
        for record in await connection.fetch(NOT_OWED, mine, LIFECYCLE):
            self._owed.pop(record["workflow_id"], None)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        for event in events:
            self._owed.pop(event.workflow, None)
        for tenant in sorted({event.tenant for event in events}):
            async with self._as(tenant) as connection:
                await outbox.published(connection, [event for event in events if event.tenant == tenant])

    async def remembered(self) -> Remembered:
        async with connected(self._pool) as connection:
            return await outbox.remembered(connection)
