"""A workflow with a budget, and a tenant with one for the month."""

from __future__ import annotations

from workers.kit.stores.pg import Pool

WORKFLOW = "01JD0000000000000000000001"
BEGUN = """
    INSERT INTO workflows (id, tenant, prompt, language, body_sha256, budget, parent, deadline, created_at)
    VALUES ($1, 'default', '', 'python', '', $2::float8::numeric, $3, now(), now())
"""


async def begin_workflow(gateway: Pool, workflow: str, budget: float | None = None, parent: str | None = None) -> None:
    """As the gateway does."""
    async with gateway.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('ql.tenant', 'default', true)")
        await connection.execute(BEGUN, workflow, budget, parent)


async def set_limits(worker: Pool, gateway: Pool, workflow: float | None, month: float | None) -> None:
    """Of WORKFLOW, which is made, and of the tenant `default`."""
    await begin_workflow(gateway, WORKFLOW, workflow)
    await worker.execute("UPDATE tenants SET monthly_budget = $1::float8::numeric", month)
