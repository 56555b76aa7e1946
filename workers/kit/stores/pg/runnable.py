"""What could run, and which process looks for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import asyncpg

from contracts.topology import Topology
from workers.kit.stores import standing
from workers.kit.stores.drops import NoClaim
from workers.kit.stores.standing import Row

from .pool import Connection
from .rows import COLUMNS, row_of

# $2: the stage and its ancestors; $4: the last workflow of the page before. `standing.look` says the same, and has the
# last word.
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
        AND (d.artifact_sha256 IS NOT NULL OR d.revision = {_DUE}) AND d.workflow_id > $4
    ORDER BY w.id LIMIT $3
"""  # noqa: S608  # constants only
# $5 and $6: pairs of a need and one of its ancestors or itself; $7: the needs; $8: for how long it could have begun.
ABSENT = f"""
    SELECT w.id, w.tenant, w.admitted_at
    FROM workflows w
    WHERE w.state = 'active' AND w.admitted_at <= now() - $8::interval
        AND NOT EXISTS (
            SELECT FROM drops d
            WHERE d.workflow_id = w.id AND d.stage = $1 AND d.unit = '' AND d.state <> 'closed' AND d.revision = {_DUE}
        )
        AND NOT EXISTS (
            SELECT FROM unnest($7::text[]) AS need
            WHERE NOT EXISTS (
                SELECT FROM drops i
                WHERE i.workflow_id = w.id AND i.stage = need AND i.unit = '' AND i.state = 'completed'
                    AND i.updated_at <= now() - $8::interval
                    AND i.revision = coalesce((
                        SELECT max(o.opens) FROM drops o
                        JOIN unnest($5::text[], $6::text[]) AS reach (name, target) ON reach.target = o.target
                        WHERE o.workflow_id = w.id AND o.opens IS NOT NULL AND reach.name = need
                    ), 1)
            )
        )
        AND NOT EXISTS (
            SELECT FROM drops o
            WHERE o.workflow_id = w.id AND o.opens IS NOT NULL AND o.target = $1 AND o.opens = {_DUE}
                AND o.updated_at > now() - $8::interval
        )
        AND w.id > $4
    ORDER BY w.id LIMIT $3
"""  # noqa: S608  # constants only
ROWS = f"""
    SELECT {COLUMNS} FROM drops d WHERE d.workflow_id = ANY($1) AND d.unit = ''
"""  # noqa: S608  # constants only
# Mostly nothing is written, and then no row is locked; a duty that is lost in a power cut is done twice.
ON_DUTY = """
    INSERT INTO duties AS d (name, due_at)
    SELECT $1, clock_timestamp() + $2::interval
    WHERE NOT EXISTS (SELECT FROM duties WHERE name = $1 AND due_at > clock_timestamp())
        AND set_config('synchronous_commit', 'off', true) = 'off'
    ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE d.due_at <= clock_timestamp()
    RETURNING true
"""


async def runnable(
    connection: Connection,
    topology: Topology,
    stage: str,
    takes: Collection[str],
    absent_s: float | None,
    limit: int,
) -> Sequence[tuple[str, str]]:
    """(tenant, workflow) that the stage could claim: stalled rows, then absent ones."""
    reach = [*topology.ancestors(stage), stage]
    asked = (stage, reach)
    found = await _all(connection, topology, STALLED, asked, (), takes, limit)
    if absent_s is not None and len(found) < limit:
        needs = list(topology[stage].needs)
        pairs = [(need, target) for need in needs for target in (*topology.ancestors(need), need)]
        more = ([name for name, _ in pairs], [target for _, target in pairs], needs, timedelta(seconds=absent_s))
        found |= await _all(connection, topology, ABSENT, asked, more, takes, limit - len(found))
    return [(tenant, workflow) for workflow, tenant in found.items()]


async def _all(
    connection: Connection,
    topology: Topology,
    statement: str,
    stage: tuple[str, list[str]],
    more: tuple[object, ...],
    takes: Collection[str],
    limit: int,
) -> dict[str, str]:
    """Of the statement's workflows the first `limit` that `standing.look` names too, each with its tenant.

    Page by page: a page may hold none of them, all waiting for what is being made again, say.
    """
    found: dict[str, str] = {}
    after = ""
    while len(found) < limit:
        page = await connection.fetch(statement, *stage, limit, after, *more)
        if not page:
            break
        after = page[-1]["id"]
        found |= await _looked_at(connection, topology, stage[0], takes, page)
        if len(page) < limit:
            break
    return dict(list(found.items())[:limit])


async def _looked_at(
    connection: Connection, topology: Topology, stage: str, takes: Collection[str], page: Sequence[asyncpg.Record]
) -> dict[str, str]:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    rows: dict[str, list[Row]] = {}
    for record in await connection.fetch(ROWS, [record["id"] for record in page]):
        rows.setdefault(record["workflow_id"], []).append(row_of(record))
    return {
        record["id"]: record["tenant"]
        for record in page
        if not isinstance(
            standing.look(topology, stage, "active", record["admitted_at"], rows.get(record["id"], []), now, takes),
            NoClaim,
        )
    }


async def on_duty(connection: Connection, duty: str, for_s: float) -> bool:
    """Whether nobody was on it in the time that the last one had asked for."""
    return bool(await connection.fetchval(ON_DUTY, duty, timedelta(seconds=for_s)))
