"""A keeper that looks no more is not live, and one that looks is."""

from __future__ import annotations

import asyncio

import nats
import pytest

from tests.flow.noop import Servers
from tests.kit.runner.small import SMALL
from workers.keeper import keep
from workers.keeper.keep import Keeper
from workers.kit.stores.pg import PgDrops, open_pool


async def test_a_keeper_that_looks_no_more_is_not_live(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "WATCH_S", 0.01)
    nc, pool = await nats.connect(servers.nats), await open_pool(servers.worker, 1)
    keeper, ready = Keeper(nc, PgDrops(pool, SMALL), SMALL, servers.settings()), asyncio.Event()
    keeping = asyncio.create_task(keeper.run(ready.set))
    await ready.wait()
    before = asyncio.get_running_loop().time()
    async with asyncio.timeout(20):
        while keeper._looked < before:  # noqa: ASYNC110  # it tells nobody of its looks
            await asyncio.sleep(0.01)
    keeper.ping()
    keeping.cancel()
    await asyncio.wait([keeping])
    monkeypatch.setattr(keep, "STUCK_S", 0.05)
    await asyncio.sleep(0.1)
    with pytest.raises(RuntimeError, match="last look began"):
        keeper.ping()
    await nc.close()
    await pool.close()
