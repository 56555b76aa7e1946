"""`python -m workers.keeper [--once]`: provision streams and durables, then watch over them. Two may run side by side.

With `--collect [--dry-run | --force]` it deletes the artifacts that no drop refers to, older than a day, and ends.
Prints `ready` on stdout once everything is there; workers started earlier wait for it by themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import nats
import structlog
from nats.aio.client import Client

from contracts.topology import TOPOLOGY
from observability import telemetry
from workers.kit.durability import nats_promise, postgres_promise, server_config, too_old
from workers.kit.runner.connection import alive
from workers.kit.runner.doors import open_doors
from workers.kit.settings import Settings, SettingsError, load
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.pg import PgDrops, Pool, open_pool

from . import subscriptions
from .keep import WATCH_S, Keeper

USAGE = 2

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 2 for a mistake in the settings, 1 for a store that is away."""
    parser = argparse.ArgumentParser(prog="python -m workers.keeper", description=__doc__)
    parser.add_argument("--once", action="store_true", help="provision and exit")
    parser.add_argument("--collect", action="store_true", help="delete artifacts without a drop, and exit")
    parser.add_argument("--dry-run", action="store_true", help="with --collect: only count them")
    parser.add_argument("--force", action="store_true", help="with --collect: delete them however many there are")
    asked = parser.parse_args(arguments)
    needed = ("s3_url", "database_url") if asked.collect else ("nats_url", "database_url")
    try:
        settings = load()
        missing = [f"QL_{name.upper()}" for name in needed if not getattr(settings, name)]
        if missing:
            raise SettingsError(f"the keeper needs {', '.join(missing)}")
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    close = telemetry.setup("keeper", log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        if asked.collect:
            return asyncio.run(_collect(settings, dry_run=asked.dry_run, force=asked.force))
        asyncio.run(_once(settings) if asked.once else _keep(settings))
    except StoreDown as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        close()
    return 0


async def _collect(settings: Settings, *, dry_run: bool, force: bool) -> int:
    from workers.kit.stores.orphans import Unsafe, collect

    pool = await open_pool(settings.database_url, 1)
    try:
        found = await collect(settings.s3_url, settings.s3_bucket, pool, dry_run=dry_run, force=force)
    except Unsafe as error:
        sys.stderr.write(f"nothing was deleted: {error}\n")
        return 1
    finally:
        await pool.close()
    said = "found" if dry_run else "deleted"
    sys.stdout.write(
        f"{said} {found.orphans} artifacts without a drop, {found.bytes} bytes, of {found.old} looked at\n"
    )
    return 0


async def _once(settings: Settings) -> None:
    async with _keeping(settings, await open_pool(settings.database_url, 2)) as (keeper, _):
        await keeper.keep()
        sys.stdout.write("ready\n")


async def _keep(settings: Settings) -> None:
    async with (
        open_doors(settings) as checks,
        _keeping(settings, await _waited_for(settings.database_url)) as (keeper, nc),
    ):
        checks["/livez"] = partial(_live, keeper, nc)
        await subscriptions.serve(nc)
        await _until_told(keeper)


async def _live(keeper: Keeper, nc: Client) -> None:
    keeper.ping()
    await alive(nc)


@asynccontextmanager
async def _keeping(settings: Settings, pool: Pool) -> AsyncIterator[tuple[Keeper, Client]]:
    woken: list[Keeper] = []
    nc = await _connect(settings, woken)
    keeper = Keeper(nc, PgDrops(pool, TOPOLOGY), TOPOLOGY, settings)
    woken.append(keeper)
    try:
        await _tell(nc, pool)
        yield keeper, nc
    finally:
        await nc.close()
        await pool.close()


async def _waited_for(url: str) -> Pool:
    """Until PostgreSQL is there: a keeper that ends keeps nothing."""
    while True:
        try:
            return await open_pool(url, 2)
        except StoreDown as error:
            log.warning("keeper.failed", error=str(error))
            await asyncio.sleep(WATCH_S)


async def _tell(nc: Client, pool: Pool) -> None:
    """A NATS that is too old, and what a power cut would take, as the servers are set; it is no reason to end that one
    can't tell now."""
    if old := too_old(nc):
        log.error("nats.too_old", reason=old)
    try:
        promises = nats_promise(await server_config(nc)), await postgres_promise(pool)
    except StoreDown as error:
        log.warning("durability.unknown", error=str(error))
        return
    for promise in promises:
        say = log.warning if promise.advice else log.info
        say("durability", store=promise.store, found=promise.found, meaning=promise.meaning, advice=promise.advice)


async def _connect(settings: Settings, woken: list[Keeper]) -> Client:
    async def reconnected() -> None:
        for keeper in woken:
            keeper.reconnected()

    async def failed(error: Exception) -> None:
        log.warning("nats.failed", error=str(error) or type(error).__name__)

    return await nats.connect(
        settings.nats_url,
        name="quantumlayer-keeper",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        reconnected_cb=reconnected,
        error_cb=failed,
    )


async def _until_told(keeper: Keeper) -> None:
    def ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    watching = asyncio.create_task(keeper.run(ready))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, watching.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await watching


if __name__ == "__main__":
    sys.exit(main())
