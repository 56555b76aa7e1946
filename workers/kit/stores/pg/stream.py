"""Which stream the sequences belong to, and what an earlier one held.

No event is changed when a stream is lost: its sequence is below `first_seq` of the next one. Those of active workflows
go to the outbox, for they are waited for; the others are read in their order and published again, a page at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from contracts.subjects import STREAM
from workers.kit.stores.stream import History, Remembered

from .pool import Connection
from .rows import EVENT_COLUMNS, columns, event_of, few

WORKFLOWS, LOOK = 500, 10_000
"""So many active workflows, and so many events of an earlier stream, are looked at by one statement."""
STANDING = """
    SELECT created, seq, event, (SELECT first_seq FROM stream WHERE name = $1) AS first_seq FROM stream_standing($1)
"""
# No other is known to have been before the first.
ADOPT = """
    INSERT INTO stream (name, created, adopted_at, first_seq, resent) VALUES ($1, $2, clock_timestamp(), $4, $4)
    ON CONFLICT (name) DO UPDATE SET
        created = excluded.created, adopted_at = excluded.adopted_at, first_seq = excluded.first_seq, resent = 0,
        again_at = clock_timestamp() + $5::interval
    WHERE stream.created = $3 AND stream.created <> excluded.created
    RETURNING true
"""
UNSETTLED = """
    SELECT first_seq, again_at <= clock_timestamp() AS due FROM stream WHERE name = $1 AND again_at IS NOT NULL
"""
REVIVE = """
    WITH mine AS (SELECT id FROM workflows WHERE state = 'active' AND id > $1 ORDER BY id LIMIT $2),
    revived AS (
        UPDATE events e SET published_seq = NULL FROM mine
        WHERE e.workflow_id = mine.id AND e.published_seq < $3 RETURNING 1
    )
    SELECT (SELECT max(id) FROM mine) AS last, (SELECT count(*) FROM revived) AS events
"""
SETTLE = "UPDATE stream SET again_at = NULL, resent = 0 WHERE name = $1 AND first_seq = $2"
OWED = "SELECT first_seq, resent FROM stream WHERE name = $1 AND resent < first_seq"
THROUGH = """
    SELECT max(seq) AS seq, count(*) AS looked FROM (
        SELECT published_seq FROM events WHERE published_seq > $1 AND published_seq < $2 ORDER BY published_seq LIMIT $3
    ) AS old (seq)
"""
PAGE = f"""
    SELECT {EVENT_COLUMNS} FROM events
    WHERE published_seq > $1 AND published_seq <= $2 AND created_at > now() - $3::interval
    ORDER BY published_seq LIMIT $4
"""  # noqa: S608  # constants only
RESENT = f"""
    WITH refused AS (
        UPDATE events e SET published_seq = NULL FROM {few("$5::text[]", "$6::text[]")} AS r (workflow_id, id, unit)
        WHERE e.workflow_id = r.workflow_id AND e.id = r.id AND e.published_seq < $2
    )
    UPDATE stream SET resent = $4 WHERE name = $1 AND first_seq = $2 AND resent = $3
"""  # noqa: S608  # constants only


async def remembered(connection: Connection) -> Remembered:
    """The stream that the sequences belong to, and the highest of them."""
    (record,) = await connection.fetch(STANDING, STREAM)
    return Remembered(
        created=record["created"] or "",
        first_seq=record["first_seq"] or 0,
        seq=record["seq"] or 0,
        event=record["event"] or "",
    )


async def adopt(connection: Connection, created: str, was: str, first_seq: int, again_s: float) -> bool:
    """It is another stream."""
    return bool(await connection.fetchval(ADOPT, STREAM, created, was, first_seq, timedelta(seconds=again_s)))


async def revive(connection: Connection) -> int:
    """Each statement a transaction of its own: who is cut off in between is followed by one who does it again."""
    if not (unsettled := await connection.fetchrow(UNSETTLED, STREAM)):
        return 0
    revived, last = 0, ""
    while last is not None:
        ((last, events),) = await connection.fetch(REVIVE, last, WORKFLOWS, unsettled["first_seq"])
        revived += events
    if unsettled["due"]:
        await connection.execute(SETTLE, STREAM, unsettled["first_seq"])
    return revived


async def history(connection: Connection, since_s: float, limit: int) -> History | None:
    """The next page. How far it reaches is looked at first: what leaves it meanwhile stands in the new stream."""
    if not (owed := await connection.fetchrow(OWED, STREAM)):
        return None
    first_seq, after = owed["first_seq"], owed["resent"]
    ((seq, looked),) = await connection.fetch(THROUGH, after, first_seq, LOOK)
    through = seq if looked == LOOK else first_seq
    records = await connection.fetch(PAGE, after, through, timedelta(seconds=since_s), limit)
    if len(records) == limit:
        through = records[-1]["published_seq"]
    return History(events=[event_of(r) for r in records], first_seq=first_seq, after=after, through=through)


async def resent(connection: Connection, history: History, refused: Collection[str]) -> None:
    """Unless another stream was adopted, or it is all looked at once more."""
    left = columns(sorted((event.workflow, event.id) for event in history.events if event.id in refused)) or ([], [])
    await connection.execute(RESENT, STREAM, history.first_seq, history.after, history.through, *left)
