"""Claims: taking a due row, keeping it, handing it back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from contracts.artifacts import Submission
from contracts.topology import Topology
from workers.kit.stores import standing
from workers.kit.stores.drops import Claim, Failed, NoClaim
from workers.kit.stores.news import inputs_of
from workers.kit.stores.standing import Change

from .commits import write
from .pool import Connection
from .rows import COLUMNS, inputs_column, row_of

# The lock is a statement of its own: one that also read the drops would read them as they were before it waited.
LOCK = """
    SELECT tenant, state, prompt, language, traceparent, created_at
    FROM workflows WHERE id = $1 AND tenant = $2 FOR NO KEY UPDATE
"""
ROWS = f"""
    SELECT clock_timestamp() AS now, {COLUMNS}
    FROM (SELECT) AS always LEFT JOIN drops d ON d.workflow_id = $1 AND d.unit = ''
"""  # noqa: S608  # constants only
TAKE = """
    INSERT INTO drops AS d (
        workflow_id, tenant, stage, revision, state, epoch, attempts, lease_until, inputs, created_at, updated_at
    )
    VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $8, $9, $9)
    ON CONFLICT (workflow_id, stage, revision, unit) DO UPDATE SET
        state = excluded.state, epoch = excluded.epoch, attempts = excluded.attempts,
        lease_until = excluded.lease_until, retry_at = NULL, inputs = excluded.inputs, updated_at = excluded.updated_at
"""
_MINE = """
    d.workflow_id = $1 AND d.stage = $2 AND d.revision = $3 AND d.unit = '' AND d.epoch = $4 AND d.state = 'running'
"""
_DUE = """
    coalesce((
        SELECT max(o.opens) FROM drops o WHERE o.workflow_id = $1 AND o.opens IS NOT NULL AND o.target = ANY($5)
    ), 1)
"""
RENEW = f"""
    UPDATE drops d SET lease_until = clock_timestamp() + $6::interval
    WHERE {_MINE} AND d.revision = {_DUE} RETURNING true
"""  # noqa: S608  # constants only
SUPERSEDE = f"""
    UPDATE drops d SET state = 'superseded', lease_until = NULL, updated_at = clock_timestamp()
    WHERE {_MINE} AND d.revision < {_DUE}
"""  # noqa: S608  # constants only
RELEASE = f"""
    UPDATE drops d
    SET state = 'retry', attempts = d.attempts - 1, lease_until = NULL, retry_at = clock_timestamp(),
        updated_at = clock_timestamp()
    WHERE {_MINE}
"""  # noqa: S608  # constants only


async def claim(
    connection: Connection,
    topology: Topology,
    stage: str,
    tenant: str,
    workflow: str,
    lease_s: float,
    attempts: int,
    takes: Collection[str],
) -> Claim | NoClaim:
    """Within a transaction: lock, look, take."""
    head = await connection.fetchrow(LOCK, workflow, tenant)
    if head is None:
        return NoClaim(reason="unknown")
    records = await connection.fetch(ROWS, workflow)
    now: datetime = records[0]["now"]
    rows = [row_of(record) for record in records if record["stage"] is not None]
    found = standing.look(topology, stage, head["state"], head["created_at"], rows, now, takes)
    if isinstance(found, NoClaim):
        return found
    taken = standing.claim_of(
        found,
        tenant=tenant,
        workflow=workflow,
        stage=stage,
        submission=Submission(prompt=head["prompt"], language=head["language"]),
        traceparent=head["traceparent"],
    )
    error = standing.exhausted(found, attempts)
    if error:
        return await _give_up(connection, taken, error, standing.newest(rows), now)
    lease_until = now + timedelta(seconds=lease_s)
    key = (workflow, tenant, stage, taken.revision)
    inputs = inputs_column(inputs_of(taken))
    await connection.execute(TAKE, *key, taken.epoch, taken.attempt, lease_until, inputs, now)
    return taken


async def _give_up(connection: Connection, taken: Claim, error: str, newest: int, now: datetime) -> NoClaim:
    spent = standing.spent(taken)
    change = Change(state="failed", error=error, ends="failed")
    events = await write(connection, spent, change, Failed(error=error), newest, now)
    return NoClaim(reason="exhausted", error=error, events=events)


async def renew(connection: Connection, topology: Topology, mine: Claim, lease_s: float) -> bool:
    """Prolong the lease where the claim still stands; supersede the row where its stage is due elsewhere."""
    reach = [*topology.ancestors(mine.stage), mine.stage]
    key = (mine.workflow, mine.stage, mine.revision, mine.epoch, reach)
    if await connection.fetchval(RENEW, *key, timedelta(seconds=lease_s)):
        return True
    await connection.execute(SUPERSEDE, *key)
    return False


async def release(connection: Connection, mine: Claim) -> None:
    """Hand the row back, runnable at once, as if this attempt had not been."""
    await connection.execute(RELEASE, mine.workflow, mine.stage, mine.revision, mine.epoch)
