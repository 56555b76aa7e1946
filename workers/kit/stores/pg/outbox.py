"""What the stream does not hold yet, and where what it holds stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from contracts.subjects import STREAM
from workers.kit.stores.drops import StoredEvent

from .pool import Connection
from .rows import EVENT_COLUMNS, UNHURRIED, columns, event_of, few

UNPUBLISHED = f"""
    SELECT {EVENT_COLUMNS} FROM events
    WHERE stage = ANY($1) AND published_seq IS NULL AND created_at <= now() - $2::interval AND NOT (id = ANY($4))
    ORDER BY created_at, id LIMIT $3
"""  # noqa: S608  # constants only
# Nobody waits for the disk: who loses a note in a power cut publishes again, the stream refuses, and says the place.
_NOTES = few("$1::text[]", "$2::text[]", "$3::bigint[]", limit=UNHURRIED)
# A stream begins above all sequences of those before it: a note that comes late, of one that is lost, changes nothing.
PUBLISHED = f"""
    UPDATE events e SET published_seq = n.seq FROM {_NOTES} AS n (workflow_id, id, seq, unit)
    WHERE e.workflow_id = n.workflow_id AND e.id = n.id AND (e.published_seq IS NULL OR e.published_seq < n.seq)
        AND n.seq >= coalesce((SELECT first_seq FROM stream WHERE name = '{STREAM}'), 0)
"""  # noqa: S608  # constants only


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
