"""Which process comes first at a stage: how many of those that live work at it for longer than this one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from .pool import Connection

# Who has not been heard of for the time that it had asked for is forgotten by whoever comes by; a process that was only
# stopped comes last then.
RANKS = """
    WITH gone AS (
        DELETE FROM ranks WHERE process IN (
            SELECT process FROM ranks WHERE until < clock_timestamp() AND process <> $1 FOR UPDATE SKIP LOCKED
        )
    ), mine AS (
        INSERT INTO ranks (process, stages, until) VALUES ($1, $2, clock_timestamp() + $3)
        ON CONFLICT (process) DO UPDATE SET until = excluded.until
        RETURNING process, since
    )
    SELECT stage, count(r.process)::integer AS before FROM mine CROSS JOIN unnest($2::text[]) AS stage
    LEFT JOIN ranks r ON stage = ANY(r.stages) AND r.until >= clock_timestamp()
        AND (r.since, r.process) < (mine.since, mine.process)
    GROUP BY stage
"""
LEAVE = "DELETE FROM ranks WHERE process = $1"


async def ranks(connection: Connection, process: str, stages: Sequence[str], for_s: float) -> dict[str, int]:
    """One statement: here for so long, and 0 where nobody was before."""
    found = await connection.fetch(RANKS, process, stages, timedelta(seconds=for_s))
    return {record["stage"]: record["before"] for record in found}
