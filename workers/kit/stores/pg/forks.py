"""Forks: a new workflow with what its parent had done, in one transaction of the gateway; and the memo's look-up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from contracts.topology import Topology
from workers.kit.stores import asks, forks, news
from workers.kit.stores.asks import Asks
from workers.kit.stores.drops import DropRow, KeyConflict, StoredEvent
from workers.kit.stores.forks import Fork, Forked, NoFork, Plan
from workers.kit.stores.standing import Row

from .admission import room
from .commits import EVENTS
from .pool import Connection
from .rows import COLUMNS, EVENT_COLUMNS, columns, event_arrays, event_of, inputs_column, inputs_of, row_of

PARENT = """
    SELECT prompt, language, budget, asks, clock_timestamp() AS now FROM workflows WHERE tenant = $1 AND id = $2
    FOR NO KEY UPDATE
"""
ROWS = f"SELECT {COLUMNS}, d.inputs FROM drops d WHERE d.workflow_id = $1 AND d.unit = ''"  # noqa: S608
SPENT = """
    SELECT stage, count(*), sum(cost)::float8 FROM usage
    WHERE tenant = $1 AND workflow_id = $2 AND outcome IN ('answered', 'known', 'stand_in') GROUP BY stage
"""
BEGIN = """
    INSERT INTO workflows (
        id, tenant, prompt, language, body_sha256, idempotency_key, parent, forked, edited, budget, traceparent,
        deadline, created_at, admitted_at, asks
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14)
    ON CONFLICT (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING id
"""
COPY = """
    INSERT INTO drops (
        workflow_id, tenant, stage, revision, state, epoch, attempts, artifact_key, artifact_offset, artifact_length,
        artifact_sha256, media_type, inputs, unmet, copied_of, created_at, updated_at
    )
    SELECT $1, $2, c.stage, 1, 'completed', 1, 0, c.key, c.start, c.length, c.sha256, c.media_type, c.inputs, c.unmet,
        c.copied_of, $3, $3
    FROM unnest(
        $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::jsonb[], $11::boolean[],
        $12::integer[]
    ) AS c (stage, key, start, length, sha256, media_type, inputs, unmet, copied_of)
"""
SAME_KEY = "SELECT id, body_sha256 FROM workflows WHERE tenant = $1 AND idempotency_key = $2"
OWED = f"SELECT {EVENT_COLUMNS} FROM events WHERE workflow_id = $1 AND published_seq IS NULL ORDER BY created_at"  # noqa: S608
ASKED = "SELECT asks FROM workflows WHERE id = $1 AND tenant = $2"
FORKS = "SELECT id FROM workflows WHERE tenant = $1 AND parent = $2 ORDER BY id DESC LIMIT $3"
# The newest: it was made by the latest of our releases, and its bytes are the least likely to be gone.
RECALL = f"""
    SELECT {COLUMNS} FROM drops d
    WHERE d.tenant = $1 AND d.memo_key = $2 AND d.state = 'completed' AND NOT d.unmet
    ORDER BY d.workflow_id DESC LIMIT 1
"""  # noqa: S608  # constants only


async def fork(connection: Connection, topology: Topology, wish: Fork, most: int) -> Forked | Plan | NoFork:
    """Within the tenant's transaction: lock the parent, look, write. Raises `KeyConflict`."""
    head = await connection.fetchrow(PARENT, wish.tenant, wish.parent)
    if head is None:
        return NoFork(code="unknown_workflow", detail=f"There is no workflow {wish.parent}.")
    wrong = forks.refused(topology, wish)
    if wrong is not None:
        return wrong
    spent = {stage: (calls, cost) for stage, calls, cost in await connection.fetch(SPENT, wish.tenant, wish.parent)}
    plan = forks.planned(topology, wish, spent)
    if (known := await _again(connection, wish, plan)) is not None:  # whatever has become of the parent since
        return known
    rows = [row_of(record, inputs_of(record)) for record in await connection.fetch(ROWS, wish.parent)]
    copied = forks.copies(topology, wish, rows, head["now"])
    if isinstance(copied, NoFork):
        return copied
    if wish.dry:
        return plan
    if await room(connection, wish.tenant, most) <= 0:
        return NoFork(code="full", detail=f"{most} of your workflows are active: wait until one has ended.")
    if not await _begun(connection, topology, wish, head):
        return await _again(connection, wish, plan) or NoFork(code="full", detail="The key is being used right now.")
    await _copy(connection, wish, copied, head["now"])
    submission = forks.submission_of(wish, head["prompt"], head["language"])
    first = news.submitted(wish.tenant, wish.id, submission, head["now"], wish.traceparent, wish.parent)
    events = (first, *forks.told(wish, topology, rows, copied, head["now"]))
    await connection.execute(EVENTS, *event_arrays(events, news.moments(head["now"], len(events))))
    return Forked(id=wish.id, created=True, plan=plan, events=events)


async def _again(connection: Connection, wish: Fork, plan: Plan) -> Forked | None:
    """What answers a key that was used before."""
    if not wish.idempotency_key:
        return None
    record = await connection.fetchrow(SAME_KEY, wish.tenant, wish.idempotency_key)
    if record is None:
        return None
    if record["body_sha256"] != forks.body_sha256(wish):
        raise KeyConflict(f"the key {wish.idempotency_key!r} came with another wish")
    events: list[StoredEvent] = [event_of(each) for each in await connection.fetch(OWED, record["id"])]
    return Forked(id=record["id"], created=False, plan=plan, events=tuple(events))


async def _begun(connection: Connection, topology: Topology, wish: Fork, head: asyncpg.Record) -> bool:
    submission = forks.submission_of(wish, head["prompt"], head["language"])
    written = await connection.fetchval(
        BEGIN,
        wish.id,
        wish.tenant,
        submission.prompt,
        submission.language,
        forks.body_sha256(wish),
        wish.idempotency_key or None,
        wish.parent,
        wish.stage,
        wish.edited is not None,
        head["budget"],
        wish.traceparent,
        head["now"] + timedelta(seconds=wish.deadline_s),
        head["now"],
        asks.column(forks.asks_of(topology, wish, asks.of_column(head["asks"]))),
    )
    return written is not None


async def _copy(connection: Connection, wish: Fork, copied: Sequence[Row], now: datetime) -> None:
    if copied:
        rows = columns(_copied(row) for row in copied)
        await connection.execute(COPY, wish.id, wish.tenant, now, *rows)


def _copied(row: Row) -> tuple[object, ...]:
    ref = row.as_input().ref
    place = (ref.key, ref.offset, ref.length, ref.sha256)
    return (row.stage, *place, row.media_type, inputs_column(row.inputs), row.unmet, row.copied_of)


async def forks_of(connection: Connection, tenant: str, workflow: str) -> Sequence[str]:
    """The newest workflows that were forked from this one, oldest first."""
    return sorted(record["id"] for record in await connection.fetch(FORKS, tenant, workflow, forks.SHOWN))


async def asked(connection: Connection, tenant: str, workflow: str) -> Asks:
    """How the fork's stages ask models."""
    return asks.of_column(await connection.fetchval(ASKED, workflow, tenant))


async def recall(connection: Connection, tenant: str, memo: str) -> DropRow | None:
    """The drop of equal work."""
    record = await connection.fetchrow(RECALL, tenant, bytes.fromhex(memo))
    return news.drop_of(record["workflow_id"], row_of(record)) if record else None
