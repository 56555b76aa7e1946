"""Whether a workflow has ended, for role ql_worker."""

from __future__ import annotations

from .pool import Pool, connected

ENDED = "SELECT state <> 'active' FROM workflows WHERE tenant = $1 AND id = $2"


async def has_ended(pool: Pool, tenant: str, workflow: str) -> bool:
    """False for an unknown one; raises `StoreDown`."""
    async with connected(pool) as connection:
        return bool(await connection.fetchval(ENDED, tenant, workflow))
