"""Kill switches: a provider that is not asked, for one tenant or for all; '*' stands for all tenants, or providers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from .news import plain, rfc3339
from .pg.pool import Connection, Pool, connected, transaction

ALL = "*"
STALE_S = 2.0
COLUMNS = "tenant, provider, reason, created_at"
LIST = f"SELECT {COLUMNS} FROM switches ORDER BY tenant, provider"  # noqa: S608  # constants only
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


class Switches:
    """What is off, for role ql_worker: at most 2 s old, and one look at the table in that time. Raises `StoreDown`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._off: dict[str, dict[str, str]] = {}
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def off(self, tenant: str) -> Mapping[str, str]:
        """The providers that are not to be asked for this tenant ('' for nobody's own), and why in a few words."""
        if time.monotonic() >= self._until:
            async with self._lock:
                if time.monotonic() >= self._until:
                    await self._look()
        return {**self._off.get(ALL, {}), **self._off.get(tenant, {})}

    async def _look(self) -> None:
        begun = time.monotonic()
        async with connected(self._pool) as connection:
            found = await connection.fetch(LIST)
        self._off = {}
        for switch in found:
            self._off.setdefault(switch["tenant"], {})[switch["provider"]] = switch["reason"] or "switched off"
        self._until = begun + STALE_S


class SwitchBoard:
    """Where they are set, for either role. The gateway's sets its tenant's own, and sees those for all tenants."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def _as(self, tenant: str) -> AsyncIterator[Connection]:
        async with transaction(self._pool) as connection:
            await connection.execute("SELECT set_config('ql.tenant', $1, true)", tenant)
            yield connection

    async def turn_off(self, tenant: str, provider: str, reason: str) -> None:
        """From now on the provider is not asked."""
        async with self._as(tenant) as connection:
            await connection.execute(SET, tenant, plain(provider, 200), plain(reason))

    async def turn_on(self, tenant: str, provider: str) -> bool:
        """It may be asked again; False where it was not off."""
        async with self._as(tenant) as connection:
            return bool(await connection.fetchval(CLEAR, tenant, plain(provider, 200)))

    async def all(self, tenant: str) -> Sequence[Switch]:
        """What the tenant sees."""
        async with self._as(tenant) as connection:
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
