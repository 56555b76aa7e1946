"""A pool is closed whoever still holds a connection."""

from __future__ import annotations

import asyncpg
import pytest

from tests.servers import Database
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.pg import close_pool, open_pool
from workers.kit.stores.pg import pool as pools
from workers.kit.stores.pg.pool import connected


async def test_a_connection_that_is_held_does_not_hold_up_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CLOSE_S", 0.2)
    pool = await open_pool(database.worker, 2)
    held = await pool.acquire()
    await close_pool(pool)
    with pytest.raises(asyncpg.InterfaceError):
        await held.fetchval("SELECT 1")


async def test_a_database_that_takes_no_connections_is_a_store_that_is_down(database: Database) -> None:
    pool = await open_pool(database.worker, 2)
    admin = await asyncpg.connect(database.admin.rpartition("/")[0] + "/postgres")
    name = database.admin.rpartition("/")[2]
    try:
        async with connected(pool):  # the only one that is open: the next needs another
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            with pytest.raises(StoreDown):
                async with connected(pool):
                    pass
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
        await close_pool(pool)
