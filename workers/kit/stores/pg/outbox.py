"""What the stream does not hold yet, what it holds, which stream it is, and what could run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.subjects import STREAM
from contracts.topology import Topology
from workers.kit.stores import standing
from workers.kit.stores.drops import NoClaim, Remembered, StoredEvent
from workers.kit.stores.standing import Row

from .pool import Connection
from .rows import COLUMNS, EVENT_COLUMNS, UNHURRIED, columns, event_of, few, row_of

UNPUBLISHED = f"""
    SELECT {EVENT_COLUMNS} FROM events
    WHERE stage = ANY($1) AND published_seq IS NULL AND created_at <= now() - $2::interval
    ORDER BY created_at, id LIMIT $3
"""  # noqa: S608  # constants only
# Nobody waits for the disk: who loses a note in a power cut publishes again, the stream refuses, and says the place.
_NOTES = few("$1::text[]", "$2::text[]", "$3::bigint[]", limit=UNHURRIED)
PUBLISHED = f"""
    UPDATE events e SET published_seq = n.seq FROM {_NOTES} AS n (workflow_id, id, seq, unit)
    WHERE e.workflow_id = n.workflow_id AND e.id = n.id AND e.published_seq IS NULL
"""  # noqa: S608  # constants only
# $2: the stage and its ancestors. Says the same as `standing.look`, which has the last word.
_DUE = """
    coalesce((
        SELECT max(o.opens) FROM drops o WHERE o.workflow_id = w.id AND o.opens IS NOT NULL AND o.target = ANY($2)
    ), 1)
"""
STALLED = f"""
    SELECT w.id, w.tenant, w.admitted_at
    FROM drops d JOIN workflows w ON w.id = d.workflow_id
    WHERE d.stage = $1 AND d.state IN ('running', 'retry') AND w.state = 'active' AND d.unit = ''
        AND CASE d.state WHEN 'running' THEN d.lease_until ELSE d.retry_at END <= now()
        AND (d.artifact_sha256 IS NOT NULL OR d.revision = {_DUE})
    ORDER BY w.id LIMIT $3
"""  # noqa: S608  # constants only
# $4 and $5: pairs of a need and one of its ancestors or itself; $6: the needs.
ABSENT = f"""
    SELECT w.id, w.tenant, w.admitted_at
    FROM workflows w
    WHERE w.state = 'active' AND w.admitted_at <= now() - $7::interval
        AND NOT EXISTS (
            SELECT FROM drops d
            WHERE d.workflow_id = w.id AND d.stage = $1 AND d.unit = '' AND d.state <> 'closed' AND d.revision = {_DUE}
        )
        AND NOT EXISTS (
            SELECT FROM unnest($6::text[]) AS need
            WHERE NOT EXISTS (
                SELECT FROM drops i
                WHERE i.workflow_id = w.id AND i.stage = need AND i.unit = '' AND i.state = 'completed'
                    AND i.updated_at <= now() - $7::interval
                    AND i.revision = coalesce((
                        SELECT max(o.opens) FROM drops o
                        JOIN unnest($4::text[], $5::text[]) AS reach (name, target) ON reach.target = o.target
                        WHERE o.workflow_id = w.id AND o.opens IS NOT NULL AND reach.name = need
                    ), 1)
            )
        )
        AND NOT EXISTS (
            SELECT FROM drops o
            WHERE o.workflow_id = w.id AND o.opens IS NOT NULL AND o.target = $1 AND o.opens = {_DUE}
                AND o.updated_at > now() - $7::interval
        )
    ORDER BY w.id LIMIT $3
"""  # noqa: S608  # constants only
ROWS = f"""
    SELECT {COLUMNS} FROM drops d WHERE d.workflow_id = ANY($1) AND d.unit = ''
"""  # noqa: S608  # constants only
ADOPT = """
    INSERT INTO stream (name, created, adopted_at) VALUES ($1, $2, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET created = excluded.created, adopted_at = excluded.adopted_at
"""
FORGET = """
    WITH forgotten AS (
        UPDATE events SET published_seq = NULL
        WHERE published_seq IS NOT NULL AND created_at > now() - $1::interval RETURNING 1
    )
    SELECT count(*) FROM forgotten
"""
STANDING = "SELECT created, seq, event FROM stream_standing($1)"


async def unpublished(
    connection: Connection, stages: Sequence[str], older_s: float, limit: int
) -> Sequence[StoredEvent]:
    """The stages' events without a sequence, oldest first."""
    records = await connection.fetch(UNPUBLISHED, list(stages), timedelta(seconds=older_s), limit)
    return [event_of(record) for record in records]


async def published(connection: Connection, events: Sequence[StoredEvent]) -> None:
    """Note each event's sequence."""
    # In one order: two relays may note the same events.
    notes = sorted((event.workflow, event.id, event.seq) for event in events)
    await connection.execute(PUBLISHED, *columns(notes))


async def runnable(
    connection: Connection, topology: Topology, stage: str, absent_s: float | None, limit: int
) -> Sequence[tuple[str, str]]:
    """(tenant, workflow) that the stage could claim: stalled rows, then absent ones."""
    reach = [*topology.ancestors(stage), stage]
    found = await connection.fetch(STALLED, stage, reach, limit)
    if absent_s is not None and len(found) < limit:
        needs = list(topology[stage].needs)
        pairs = [(need, target) for need in needs for target in (*topology.ancestors(need), need)]
        names, targets = [name for name, _ in pairs], [target for _, target in pairs]
        left, patience = limit - len(found), timedelta(seconds=absent_s)
        found += await connection.fetch(ABSENT, stage, reach, left, names, targets, needs, patience)
    if not found:
        return ()
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    rows: dict[str, list[Row]] = {}
    for record in await connection.fetch(ROWS, [record["id"] for record in found]):
        rows.setdefault(record["workflow_id"], []).append(row_of(record))
    return [
        (record["tenant"], record["id"])
        for record in found
        if not isinstance(
            standing.look(topology, stage, "active", record["admitted_at"], rows.get(record["id"], []), now, reach),
            NoClaim,
        )
    ]


async def adopt(connection: Connection, created: str, since_s: float) -> int:
    """Within a transaction: another stream; what it should hold is unpublished again."""
    await connection.execute(ADOPT, STREAM, created)
    forgotten: int = await connection.fetchval(FORGET, timedelta(seconds=since_s))
    return forgotten


async def remembered(connection: Connection) -> Remembered:
    """The stream that the sequences belong to, and the highest of them."""
    (record,) = await connection.fetch(STANDING, STREAM)
    return Remembered(created=record["created"] or "", seq=record["seq"] or 0, event=record["event"] or "")
