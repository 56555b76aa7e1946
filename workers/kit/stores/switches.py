"""What kill switches have switched off, as a router sees it: providers that are not asked, for one tenant or for all.

'*' stands for all tenants, or all providers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from .pg.pool import Pool, connected

ALL = "*"
STALE_S = 2.0
LIST = "SELECT tenant, provider, reason, created_at FROM switches ORDER BY tenant, provider"


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
