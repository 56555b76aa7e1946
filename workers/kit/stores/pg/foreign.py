"""ForeignDrops on PostgreSQL, for role ql_gateway."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from contracts.cloudevents import to_structured
from contracts.events import Data, Ref, StageCompleted, StageFailed, event
from contracts.topology import LIFECYCLE
from workers.kit.stores import news
from workers.kit.stores.drops import ArtifactLost, DropRow, StoredEvent
from workers.kit.stores.foreign import MOST, Added, ForeignDrop, Held, OtherDrop, TooMany
from workers.kit.stores.keys import artifact_key
from workers.kit.stores.standing import drop_id

from .commits import EVENTS
from .pool import Connection, Pool, as_tenant
from .referenced import alone_with
from .rows import EVENT_COLUMNS, event_arrays, event_of, inputs_column, inputs_of

COUNT = """
    SELECT (SELECT count(*) FROM foreign_drops WHERE workflow_id = w.id) AS many, clock_timestamp() AS now
    FROM workflows w WHERE w.tenant = $1 AND w.id = $2
"""
ADD = """
    INSERT INTO foreign_drops (
        workflow_id, stage, revision, tenant, state, attempts, artifact_sha256, artifact_length, media_type, inputs,
        error, body_sha256, created_at
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (workflow_id, stage, revision) DO NOTHING RETURNING true
"""
DROPS = "SELECT * FROM foreign_drops WHERE tenant = $1 AND workflow_id = $2 ORDER BY created_at, stage, revision"
ONE = "SELECT * FROM foreign_drops WHERE workflow_id = $1 AND stage = $2 AND revision = $3"
OWED = f"SELECT {EVENT_COLUMNS} FROM events WHERE workflow_id = $1 AND id = $2 AND published_seq IS NULL"  # noqa: S608
ARTIFACT = """
    SELECT tenant, artifact_sha256, artifact_length, media_type FROM foreign_drops
    WHERE tenant = $1 AND artifact_sha256 = $2 LIMIT 1
"""


class PgForeignDrops:
    """An event that was committed and not published is the first stage's workers' to publish, like the lifecycle."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, drop: ForeignDrop, held: Held) -> Added | None:
        async with as_tenant(self._pool, drop.tenant) as connection:
            known = await connection.fetchrow(COUNT, drop.tenant, drop.workflow)
            if known is None:
                return None
            if again := await _again(connection, drop):
                return again
            if known["many"] >= MOST:
                raise TooMany(f"the workflow has {MOST} drops of stages that are not the pipeline's")
            if drop.artifact:
                await alone_with(connection, drop.artifact.key)
                if not await held(drop.artifact):
                    raise ArtifactLost(f"{drop.artifact.key} is not in the store")
            told = _told(drop, known["now"])
            if not await _added(connection, drop, known["now"]):  # just now, by somebody else
                return await _again(connection, drop)
            await connection.execute(EVENTS, *event_arrays([told], [known["now"]]))
            (row,) = await connection.fetch(ONE, drop.workflow, drop.stage, drop.revision)
        return Added(drop=_drop_of(row), created=True, events=(told,))

    async def drops(self, tenant: str, workflow: str) -> Sequence[DropRow]:
        async with as_tenant(self._pool, tenant) as connection:
            return [_drop_of(record) for record in await connection.fetch(DROPS, tenant, workflow)]

    async def artifact(self, tenant: str, digest: str) -> tuple[Ref, str] | None:
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(ARTIFACT, tenant, digest)
        ref = _ref_of(record) if record else None
        return (ref, record["media_type"]) if record and ref else None


async def _again(connection: Connection, drop: ForeignDrop) -> Added | None:
    """What answers a drop that is there already."""
    record = await connection.fetchrow(ONE, drop.workflow, drop.stage, drop.revision)
    if record is None:
        return None
    if record["body_sha256"] != drop.body_sha256:
        raise OtherDrop(f"{drop.stage} has another drop at revision {drop.revision}")
    told = f"{drop.workflow}.{drop.stage}.{record['state']}.{drop.revision}"
    owed = await connection.fetch(OWED, drop.workflow, told)
    return Added(drop=_drop_of(record), created=False, events=tuple(event_of(each) for each in owed))


async def _added(connection: Connection, drop: ForeignDrop, now: datetime) -> bool:
    ref = drop.artifact
    written = await connection.fetchval(
        ADD,
        drop.workflow,
        drop.stage,
        drop.revision,
        drop.tenant,
        drop.state,
        drop.attempts,
        ref.sha256 if ref else None,
        ref.length if ref else None,
        drop.media_type,
        inputs_column(drop.inputs),
        news.plain(drop.error),
        drop.body_sha256,
        now,
    )
    return written is True


def _told(drop: ForeignDrop, now: datetime) -> StoredEvent:
    """The drop's event, kept as the lifecycle's are: whoever publishes those publishes it."""
    told = event(
        _data(drop),
        stage=drop.stage,
        outcome=drop.state,
        revision=drop.revision,
        time=news.rfc3339(now),
        traceparent=drop.traceparent,
    )
    return StoredEvent(
        workflow=drop.workflow,
        id=told.id,
        tenant=drop.tenant,
        stage=LIFECYCLE,
        subject=told.subject,
        body=to_structured(told),
    )


def _data(drop: ForeignDrop) -> Data:
    name = drop_id(drop.workflow, drop.stage, drop.revision)
    if drop.artifact is None:
        return StageFailed(
            tenant=drop.tenant,
            workflow=drop.workflow,
            drop=name,
            stage=drop.stage,
            revision=drop.revision,
            error=news.plain(drop.error),
            attempts=drop.attempts,
            inputs=drop.inputs,
            work_ms=drop.work_ms,
        )
    return StageCompleted(
        tenant=drop.tenant,
        workflow=drop.workflow,
        drop=name,
        stage=drop.stage,
        revision=drop.revision,
        artifact=drop.artifact,
        media_type=drop.media_type,
        inputs=drop.inputs,
        attempts=drop.attempts,
        work_ms=drop.work_ms,
    )


def _ref_of(record: asyncpg.Record) -> Ref | None:
    digest = record["artifact_sha256"]
    if digest is None:
        return None
    return Ref(key=artifact_key(record["tenant"], digest), offset=0, length=record["artifact_length"], sha256=digest)


def _drop_of(record: asyncpg.Record) -> DropRow:
    moment = news.rfc3339(record["created_at"])
    return DropRow(
        id=drop_id(record["workflow_id"], record["stage"], record["revision"]),
        workflow=record["workflow_id"],
        stage=record["stage"],
        revision=record["revision"],
        state=record["state"],
        attempts=record["attempts"],
        created_at=moment,
        updated_at=moment,
        artifact=_ref_of(record),
        media_type=record["media_type"],
        inputs=inputs_of(record),
        opens=0,
        target="",
        unmet=False,
        error=record["error"],
    )
