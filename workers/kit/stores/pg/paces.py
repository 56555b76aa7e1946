"""What is taken a minute, in PostgreSQL, for role ql_worker."""

from __future__ import annotations

from collections.abc import Sequence

from workers.kit.stores.paces import SOON_S, Counted, Later, Pace

from .pool import Pool, connected

BEGIN = "SELECT began, name, over, pause_s FROM begin_paced($1, $2, $3, $4)"
END = "SELECT end_paced($1, $2, $3, $4)"
MOST = 2**53


class PgPaces:
    """Paces."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, paces: Sequence[Pace], tokens: int = 0) -> Counted | Later:
        ordered = sorted(paces, key=lambda pace: pace.name)
        names = [pace.name for pace in ordered]
        calls, most = [pace.calls for pace in ordered], [pace.tokens for pace in ordered]
        async with connected(self._pool) as connection:
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
