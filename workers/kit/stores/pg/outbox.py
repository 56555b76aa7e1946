"""What the stream does not hold yet, what it holds, and which stream it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from contracts.subjects import STREAM
from workers.kit.stores.drops import Remembered, StoredEvent

from .pool import Connection
from .rows import EVENT_COLUMNS, UNHURRIED, columns, event_of, few

UNPUBLISHED = f"""
    SELECT {EVENT_COLUMNS} FROM events
    WHERE stage = ANY($1) AND published_seq IS NULL AND created_at <= now() - $2::interval AND NOT (id = ANY($4))
    ORDER BY created_at, id LIMIT $3
"""  # noqa: S608  # constants only
# Nobody waits for the disk: who loses a note in a power cut publishes again, the stream refuses, and says the place.
_NOTES = few("$1::text[]", "$2::text[]", "$3::bigint[]", limit=UNHURRIED)
PUBLISHED = f"""
    UPDATE events e SET published_seq = n.seq FROM {_NOTES} AS n (workflow_id, id, seq, unit)
    WHERE e.workflow_id = n.workflow_id AND e.id = n.id AND e.published_seq IS NULL
"""  # noqa: S608  # constants only
# Mostly there is nothing to do, and then no row is locked. The first stream of all has nothing to be done again.
_DUE = "stream.created = $3 AND (stream.created <> $2 OR coalesce(stream.again_at <= clock_timestamp(), false))"
ADOPT = f"""
    INSERT INTO stream (name, created, adopted_at)
    SELECT $1, $2, clock_timestamp() WHERE NOT EXISTS (SELECT FROM stream WHERE name = $1 AND NOT ({_DUE}))
    ON CONFLICT (name) DO UPDATE SET
        created = excluded.created, adopted_at = excluded.adopted_at,
        again_at = CASE WHEN stream.created <> excluded.created THEN clock_timestamp() + $4::interval END
    WHERE {_DUE}
    RETURNING true
"""  # noqa: S608  # constants only
FORGET = """
    WITH forgotten AS (
        UPDATE events SET published_seq = NULL
        WHERE published_seq IS NOT NULL AND created_at > now() - $1::interval RETURNING 1
    )
    SELECT count(*) FROM forgotten
"""
STANDING = "SELECT created, seq, event FROM stream_standing($1)"


async def unpublished(
    connection: Connection, stages: Sequence[str], older_s: float, limit: int, without: Collection[str]
) -> Sequence[StoredEvent]:
    """The stages' events without a sequence, oldest first, but not these."""
    records = await connection.fetch(UNPUBLISHED, list(stages), timedelta(seconds=older_s), limit, list(without))
    return [event_of(record) for record in records]


async def published(connection: Connection, events: Sequence[StoredEvent]) -> None:
    """Note each event's sequence."""
    # In one order: two relays may note the same events.
    notes = sorted((event.workflow, event.id, event.seq) for event in events)
    await connection.execute(PUBLISHED, *columns(notes))


async def adopt(connection: Connection, created: str, was: str, since_s: float, again_s: float) -> int | None:
    """Within a transaction: another stream; what it should hold is unpublished again."""
    if not await connection.fetchval(ADOPT, STREAM, created, was, timedelta(seconds=again_s)):
        return None
    forgotten: int = await connection.fetchval(FORGET, timedelta(seconds=since_s))
    return forgotten


async def remembered(connection: Connection) -> Remembered:
    """The stream that the sequences belong to, and the highest of them."""
    (record,) = await connection.fetch(STANDING, STREAM)
    return Remembered(created=record["created"] or "", seq=record["seq"] or 0, event=record["event"] or "")
