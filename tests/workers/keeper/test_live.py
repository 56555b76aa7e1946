"""A keeper that looks no more is not live, and one that looks is."""

from __future__ import annotations

import asyncio

import nats
import pytest

from tests.flow.noop import Servers
from tests.kit.runner.small import SMALL
from workers.keeper import keep
from workers.keeper.keep import Keeper
from workers.kit.stores.drops import Remembered
from workers.kit.stores.pg import PgDrops, open_pool


class Stuck(PgDrops):
    """A store that answers no more once it is told so."""

    __slots__ = ("silent",)
    silent: asyncio.Event

    async def remembered(self) -> Remembered:
        if self.silent.is_set():
            await asyncio.Event().wait()
        return await super().remembered()


async def next_look(keeper: Keeper) -> None:
    before = keeper._looked
    while keeper._looked == before:  # noqa: ASYNC110  # it tells nobody
        await asyncio.sleep(0.01)


async def test_a_keeper_that_looks_no_more_is_not_live(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "WATCH_S", 0.05)
    nc, pool = await nats.connect(servers.nats), await open_pool(servers.worker, 1)
    drops, ready = Stuck(pool, SMALL), asyncio.Event()
    drops.silent = asyncio.Event()
    keeper = Keeper(nc, drops, SMALL, servers.settings())
    keeping = asyncio.create_task(keeper.run(ready.set))
    async with asyncio.timeout(20):
        await ready.wait()
        await next_look(keeper)
        keeper.ping()
        drops.silent.set()
        await next_look(keeper)
        monkeypatch.setattr(keep, "STUCK_S", 0.05)
        await asyncio.sleep(0.1)
    with pytest.raises(RuntimeError, match="last look began"):
        keeper.ping()
    while not keeping.done():  # a request of nats-py may lose a cancellation
        keeping.cancel()
        await asyncio.wait([keeping], timeout=1)
    await nc.close()
    await pool.close()
