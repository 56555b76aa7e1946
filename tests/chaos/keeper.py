"""The real keeper, of this folder's pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

import nats

from tests.chaos.graph import TOPOLOGY
from workers.keeper.keep import Keeper
from workers.kit.settings import Settings
from workers.kit.stores.pg import PgDrops, open_pool


async def keep(settings: Settings) -> None:
    """Keep until SIGTERM."""
    pool = await open_pool(settings.database_url, 2)
    woken: list[Keeper] = []

    async def reconnected() -> None:
        for keeper in woken:
            keeper.reconnected()

    async def failed(_: Exception) -> None:
        """The keeper's next look says what is wrong."""

    nc = await nats.connect(
        settings.nats_url,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        reconnected_cb=reconnected,
        error_cb=failed,
    )
    keeper = Keeper(nc, PgDrops(pool, TOPOLOGY), TOPOLOGY, settings)
    woken.append(keeper)
    keeping = asyncio.create_task(keeper.run(_ready))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, keeping.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    await nc.close()
    await pool.close()


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
