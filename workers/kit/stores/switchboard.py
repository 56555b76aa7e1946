"""Where an operator or a tenant sets kill switches, and sees them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .news import plain, rfc3339
from .pg.pool import Pool, as_tenant
from .switches import ALL, LIST

SET = """
    INSERT INTO switches (tenant, provider, reason) VALUES ($1, $2, $3)
    ON CONFLICT (tenant, provider) DO UPDATE SET reason = excluded.reason
"""
CLEAR = "DELETE FROM switches WHERE tenant = $1 AND provider = $2 RETURNING true"


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that is switched off, and why."""

    tenant: str
    provider: str
    reason: str
    created_at: str = ""


class SwitchBoard:
    """For either role. The gateway's sets its tenant's own, and sees those for all tenants."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def turn_off(self, tenant: str, provider: str, reason: str) -> None:
        """From now on the provider is not asked."""
        async with as_tenant(self._pool, tenant) as connection:
            await connection.execute(SET, tenant, plain(provider, 200), plain(reason))

    async def turn_on(self, tenant: str, provider: str) -> bool:
        """It may be asked again; False where it was not off."""
        async with as_tenant(self._pool, tenant) as connection:
            return bool(await connection.fetchval(CLEAR, tenant, plain(provider, 200)))

    async def all(self, tenant: str) -> Sequence[Switch]:
        """What the tenant sees."""
        async with as_tenant(self._pool, tenant) as connection:
            found = await connection.fetch(LIST)
        return [
            Switch(
                tenant=one["tenant"],
                provider=one["provider"],
                reason=one["reason"],
                created_at=rfc3339(one["created_at"]),
            )
            for one in found
            if one["tenant"] in {tenant, ALL}
        ]
