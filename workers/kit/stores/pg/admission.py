"""Who comes onto the bus, and when: of each tenant only so many workflows at once; the others wait in their table.

The gateway counts once a batch, and one sweeper admits at a time, so what gateways and a sweeper let in at the same
moment may exceed the bound by a batch of each: it is for fairness, not for safety.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts import Submission
from workers.kit.stores import news
from workers.kit.stores.drops import StoredEvent

from .commits import EVENTS
from .pool import Connection
from .rows import event_arrays

WAITS = "state = 'active' AND admitted_at IS NULL"
THERE = "state = 'active' AND admitted_at IS NOT NULL"
# Nobody overtakes those who wait already.
ROOM = f"""
    SELECT CASE
        WHEN EXISTS (SELECT FROM workflows WHERE tenant = $1 AND {WAITS}) THEN 0
        ELSE $2 - (SELECT count(*) FROM (SELECT FROM workflows WHERE tenant = $1 AND {THERE} LIMIT $2) AS there)
    END
"""  # noqa: S608  # constants only
ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('ql.admit'))"
ADMIT = f"""
    WITH RECURSIVE queues AS (
        (SELECT tenant FROM workflows WHERE {WAITS} ORDER BY tenant LIMIT 1)
        UNION ALL
        SELECT (SELECT w.tenant FROM workflows w WHERE {WAITS} AND w.tenant > q.tenant ORDER BY w.tenant LIMIT 1)
        FROM queues q WHERE q.tenant IS NOT NULL
    ), turns AS (
        SELECT oldest.id, row_number() OVER (PARTITION BY q.tenant ORDER BY oldest.id) AS turn
        FROM queues q
        CROSS JOIN LATERAL (
            SELECT count(*) AS busy FROM (SELECT FROM workflows w WHERE w.tenant = q.tenant AND {THERE} LIMIT $1) AS t
        ) AS bus
        CROSS JOIN LATERAL (
            SELECT w.id FROM workflows w WHERE w.tenant = q.tenant AND {WAITS}
            ORDER BY w.id LIMIT least($1 - bus.busy, $2)
        ) AS oldest
        WHERE q.tenant IS NOT NULL
    ), mine AS (
        SELECT w.id FROM workflows w WHERE w.id IN (SELECT t.id FROM turns t ORDER BY t.turn, t.id LIMIT $2) AND {WAITS}
        ORDER BY w.id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE workflows w SET admitted_at = clock_timestamp() FROM mine WHERE w.id = mine.id
    RETURNING w.id, w.tenant, w.prompt, w.language, w.traceparent, w.created_at, w.admitted_at
"""  # noqa: S608  # constants only


async def room(connection: Connection, tenant: str, most: int) -> int:
    """How many more of the tenant's workflows may come onto the bus."""
    found: int = await connection.fetchval(ROOM, tenant, most)
    return found


async def admit(connection: Connection, most: int, limit: int) -> Sequence[StoredEvent]:
    """Within a transaction: the oldest of each tenant in turn."""
    if not await connection.fetchval(ALONE):
        return ()
    records = sorted(await connection.fetch(ADMIT, most, limit), key=lambda record: record["id"])
    events = [
        news.submitted(
            record["tenant"],
            record["id"],
            Submission(prompt=record["prompt"], language=record["language"]),
            record["created_at"],
            record["traceparent"],
        )
        for record in records
    ]
    if events:
        await connection.execute(EVENTS, *event_arrays(events, [record["admitted_at"] for record in records]))
    return events
