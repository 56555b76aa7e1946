"""What is taken a minute, in PostgreSQL, for role ql_worker."""

from __future__ import annotations

import time
from collections.abc import Sequence

from workers.kit.stores.paces import SOON_S, Counted, Later, Pace

from .pool import Pool, connected

BEGIN = "SELECT began, name, over, pause_s FROM begin_paced($1, $2, $3, $4)"
END = "SELECT end_paced($1, $2, $3, $4)"
# Of names that nobody asks for any more. Who asks for one holds its rows while others wait, and this waits for none.
FORGET = """
    WITH old AS (
        SELECT name, second FROM paces WHERE second < extract(epoch FROM clock_timestamp()) - 3600
        LIMIT (SELECT 1000000) FOR UPDATE SKIP LOCKED
    )
    DELETE FROM paces p USING old o WHERE p.name = o.name AND p.second = o.second
"""
FORGET_S = 3600.0
MOST = 2**53


class PgPaces:
    """Paces."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._forget_at = 0.0

    async def begin(self, paces: Sequence[Pace], tokens: int = 0) -> Counted | Later:
        ordered = sorted(paces, key=lambda pace: pace.name)
        names = [pace.name for pace in ordered]
        calls, most = [pace.calls for pace in ordered], [pace.tokens for pace in ordered]
        async with connected(self._pool) as connection:
            if (now := time.monotonic()) >= self._forget_at:
                self._forget_at = now + FORGET_S
                await connection.execute(FORGET)
            told = await connection.fetchrow(BEGIN, names, calls, most, tokens)
        if told is None:
            raise LookupError("begin_paced gave no row")
        if not told["over"]:
            return Counted(names=tuple(names), began=told["began"], estimate=tokens)
        pause_s = SOON_S if told["pause_s"] is None else max(0.001, told["pause_s"])
        return Later(pace=ordered[names.index(told["name"])], over=told["over"], pause_s=pause_s)

    async def ended(self, counted: Counted, tokens: int) -> None:
        async with connected(self._pool) as connection:
            took = min(max(tokens, 0), MOST)  # a provider may claim any number
            await connection.execute(END, list(counted.names), int(counted.began), counted.estimate, took)
