"""Commits: an outcome, its events and, at the end, the workflow, in one transaction; and deadlines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from contracts.topology import Topology
from workers.kit.stores import news, standing
from workers.kit.stores.drops import Claim, Committed, Outcome, Retry, StoredEvent
from workers.kit.stores.standing import Change

from .pool import Connection
from .rows import COLUMNS, event_arrays, row_of

LOCK = "SELECT state FROM workflows WHERE id = $1 AND tenant = $2 FOR NO KEY UPDATE"
ROWS = f"""
    SELECT clock_timestamp() AS now, {COLUMNS}
    FROM (SELECT) AS always
    LEFT JOIN drops d ON d.workflow_id = $1 AND d.unit = '' AND (d.stage = $2 OR d.opens IS NOT NULL)
"""  # noqa: S608  # constants only
EVENTS = """
    INSERT INTO events (workflow_id, id, tenant, stage, subject, body, created_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::timestamptz[])
"""
WRITE = f"""
    WITH changed AS (
        UPDATE drops SET
            state = $11, updated_at = $12, lease_until = NULL, retry_at = $13, artifact_key = $14,
            artifact_offset = $15, artifact_length = $16, artifact_sha256 = $17, media_type = $18, opens = $19,
            target = $20, unmet = $21, error = $22
        WHERE workflow_id = $8 AND stage = $9 AND revision = $10 AND unit = ''
    )
    {EVENTS}
"""  # noqa: S608  # constants only
END = """
    WITH ended AS (
        UPDATE workflows SET state = $2, error = $3, ended_at = $4 WHERE id = ANY($1)
    )
    UPDATE drops SET state = 'closed', lease_until = NULL, retry_at = NULL, updated_at = $4
    WHERE workflow_id = ANY($1) AND state IN ('running', 'retry')
"""
OVERDUE = """
    SELECT id, tenant, deadline, traceparent, clock_timestamp() AS now
    FROM workflows WHERE state = 'active' AND deadline <= now() ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
"""
NEWEST = "SELECT workflow_id, max(opens) AS newest FROM drops WHERE workflow_id = ANY($1) AND opens > 0 GROUP BY 1"


async def commit(connection: Connection, topology: Topology, claim: Claim, outcome: Outcome) -> Committed:
    """Within a transaction: lock, look, write."""
    state = await connection.fetchval(LOCK, claim.workflow, claim.tenant)
    if state is None:
        return Committed(state="lost")
    records = await connection.fetch(ROWS, claim.workflow, claim.stage)
    rows = [row_of(record) for record in records if record["stage"] is not None]
    change = standing.settle(topology, claim, state, rows, outcome)
    if change is None:
        return Committed(state="lost")
    events = await write(connection, claim, change, outcome, standing.newest(rows), records[0]["now"])
    return Committed(state=change.state, events=events)


async def write(
    connection: Connection, claim: Claim, change: Change, outcome: Outcome, newest: int, now: datetime
) -> tuple[StoredEvent, ...]:
    """The row, its events, and the workflow's end if the change brings it."""
    events = news.told(claim, change, outcome, newest, now)
    kept = standing.kept(change, outcome)
    ref = kept.artifact if kept else None
    error = news.plain(change.error)
    await connection.execute(
        WRITE,
        *event_arrays(events, news.moments(now, len(events))),
        claim.workflow,
        claim.stage,
        claim.revision,
        change.state,
        now,
        now + timedelta(seconds=outcome.after_s) if isinstance(outcome, Retry) else None,
        *((ref.key, ref.offset, ref.length, ref.sha256) if ref else (None,) * 4),
        kept.media_type if kept else "",
        change.opens or None,
        change.target or None,
        change.unmet,
        error,
    )
    if change.ends is not None:
        await connection.execute(END, [claim.workflow], change.ends, error, now)
    return events


async def expire(connection: Connection, limit: int) -> Sequence[StoredEvent]:
    """Within a transaction: end the workflows that are overdue."""
    overdue = await connection.fetch(OVERDUE, limit)
    if not overdue:
        return ()
    ids = [record["id"] for record in overdue]
    newest = {record["workflow_id"]: record["newest"] for record in await connection.fetch(NEWEST, ids)}
    events = [_expired(record, newest.get(record["id"], 1)) for record in overdue]
    now = overdue[0]["now"]
    await connection.execute(END, ids, "expired", news.EXPIRED, now)
    await connection.execute(EVENTS, *event_arrays(events, [now] * len(events)))
    return events


def _expired(record: asyncpg.Record, newest: int) -> StoredEvent:
    return news.expired(
        record["tenant"], record["id"], record["deadline"], newest, record["now"], record["traceparent"]
    )
