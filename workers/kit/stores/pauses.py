"""Stages that take no work now, for any tenant: an operator's maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .news import plain, rfc3339
from .pg.pool import Pool, as_tenant, connected

ALL = "SELECT stage, reason, created_at FROM pauses ORDER BY stage"
PAUSE = "INSERT INTO pauses (stage, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"
GO_ON = "DELETE FROM pauses WHERE stage = $1 RETURNING true"
WORKING = """
    SELECT stage, count(*) FILTER (WHERE state = 'running') AS working, count(*) FILTER (WHERE state = 'retry') AS again
    FROM drops WHERE stage = ANY($2) AND tenant = $1 AND state IN ('running', 'retry') GROUP BY stage
"""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Why a stage takes no work, and since when."""

    stage: str
    reason: str
    created_at: str


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's drops of a stage: worked at now, and to be tried again."""

    working: int = 0
    again: int = 0


class PauseBoard:
    """Where stages are paused, for role ql_gateway. Raises `StoreDown`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pause(self, stage: str, reason: str) -> bool:
        """False where it was paused already; the reason is then the first one's."""
        async with connected(self._pool) as connection:
            return bool(await connection.fetchval(PAUSE, stage, plain(reason)))

    async def go_on(self, stage: str) -> bool:
        """False where it was not paused."""
        async with connected(self._pool) as connection:
            return bool(await connection.fetchval(GO_ON, stage))

    async def all(self) -> Mapping[str, Pause]:
        """What is paused, by stage."""
        async with connected(self._pool) as connection:
            found = await connection.fetch(ALL)
        return {
            one["stage"]: Pause(stage=one["stage"], reason=one["reason"], created_at=rfc3339(one["created_at"]))
            for one in found
        }

    async def busy(self, tenant: str, stages: Sequence[str]) -> Mapping[str, Busy]:
        """The tenant's drops under way, by stage; none for a stage that has none."""
        async with as_tenant(self._pool, tenant) as connection:
            found = await connection.fetch(WORKING, tenant, list(stages))
        return {one["stage"]: Busy(working=one["working"], again=one["again"]) for one in found}
