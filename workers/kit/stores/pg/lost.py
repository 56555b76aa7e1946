"""Lost artifacts: the rows that make them again, and the row that waits for them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from contracts.topology import Topology
from workers.kit.stores.drops import Claim
from workers.kit.stores.lost import lost_rows, reopened, waiting
from workers.kit.stores.standing import row_of as own_row

from .pool import Connection
from .rows import COLUMNS, row_of

LOCK = "SELECT state FROM workflows WHERE id = $1 AND tenant = $2 FOR NO KEY UPDATE"
ROWS = f"SELECT {COLUMNS} FROM drops d WHERE d.workflow_id = $1 AND d.unit = ''"  # noqa: S608  # constants only
WAIT = """
    UPDATE drops
    SET state = $4, attempts = $5, lease_until = NULL, retry_at = $6, updated_at = $7, error = $8
    WHERE workflow_id = $1 AND stage = $2 AND revision = $3 AND unit = ''
"""


async def rearm(
    connection: Connection, topology: Topology, claim: Claim, lost: Collection[str], after_s: float
) -> bool:
    """Within a transaction: whether the claim stood."""
    state = await connection.fetchval(LOCK, claim.workflow, claim.tenant)
    if state is None:
        return False
    rows = [row_of(record) for record in await connection.fetch(ROWS, claim.workflow)]
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    again, mine = lost_rows(topology, claim, state, rows, lost), own_row(claim, rows)
    if again is None or mine is None:
        return False
    changed = [*(reopened(row, now) for row in again), waiting(mine, lost, now, after_s)]
    for row in changed:
        key = (claim.workflow, row.stage, row.revision)
        await connection.execute(WAIT, *key, row.state, row.attempts, row.retry_at, row.updated_at, row.error)
    return True
