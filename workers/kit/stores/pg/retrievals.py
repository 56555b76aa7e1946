"""Who was told examples, in PostgreSQL: notes by role ql_worker, reports for either role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.kit.stores.retrievals import ArmReport

from .pool import Connection, Pool, connected

NOTE = """
    INSERT INTO retrievals (tenant, workflow_id, stage, arm, found) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
# A workflow whose stages were in two arms (the store was away for one) is in neither; cancelled ones tell nothing.
ARMS = """
    WITH asked AS (
        SELECT workflow_id, min(arm) AS arm, sum(found) AS found FROM retrievals WHERE tenant = $1
        GROUP BY workflow_id HAVING min(arm) = max(arm)
    ), ended AS (
        SELECT asked.arm, asked.found, w.state,
            (
                SELECT position(convert_from(e.body, 'UTF8')::json -> 'data' ->> 'grade' IN 'FDCBA') - 1
                FROM events e
                WHERE e.workflow_id = w.id AND e.stage = 'workflow' AND e.subject LIKE '%.workflow.completed.%'
                LIMIT 1
            ) AS grade,
            (SELECT count(*) FROM drops d WHERE d.workflow_id = w.id AND d.state = 'rejected') AS repairs,
            (SELECT coalesce(sum(u.cost), 0) FROM usage u WHERE u.tenant = $1 AND u.workflow_id = w.id) AS cost
        FROM asked JOIN workflows w ON w.id = asked.workflow_id AND w.tenant = $1
        WHERE w.state IN ('completed', 'failed', 'expired')
    )
    SELECT arm, count(*) AS workflows, count(*) FILTER (WHERE found > 0) AS told,
        count(*) FILTER (WHERE state <> 'completed') AS failed,
        avg(grade)::float AS grade, avg(repairs)::float AS repairs, avg(cost)::float AS cost
    FROM ended GROUP BY arm ORDER BY arm
"""


@dataclass(frozen=True, slots=True)
class PgRetrievals:
    """For role ql_worker."""

    pool: Pool

    async def note(self, tenant: str, workflow: str, stage: str, *, arm: str, found: int) -> None:
        async with connected(self.pool) as connection:
            await connection.execute(NOTE, tenant, workflow, stage, arm, found)

    async def arms(self, tenant: str) -> Sequence[ArmReport]:
        """One report an arm, of the tenant's workflows that have ended."""
        async with connected(self.pool) as connection:
            return await arms(connection, tenant)


async def arms(connection: Connection, tenant: str) -> Sequence[ArmReport]:
    """One report an arm, of the tenant's workflows that have ended; also for role ql_gateway, as that tenant."""
    return [ArmReport(**record) for record in await connection.fetch(ARMS, tenant)]
