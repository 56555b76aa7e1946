"""The keeper on real servers: provisions what is missing, and notices every way in which the stream can be lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from functools import partial
from json import loads
from urllib.parse import urlsplit

import nats
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.topology import TOPOLOGY
from deploy.local.ports import free_ports
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES
from tests.servers import said_to_be
from workers.keeper import keep
from workers.keeper.keep import Keeper
from workers.keeper.provision import DEAD_STREAM, HEALTH_STREAM, make_stream
from workers.kit.runner import sweeper
from workers.kit.runner.api import ApiError, call, find
from workers.kit.stores.pg import PgDrops, open_pool


@pytest.fixture
async def running(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipeline]:
    """A provisioned pipeline in which one workflow has completed."""
    monkeypatch.setattr(sweeper, "UNPUBLISHED_S", 0)
    async with pipeline(servers, SMALL, STAGES, sweep_s=0.1) as made:
        await made.end(await made.submit("p"))
        await highest_seq(made, at_least=6)
        yield made


async def highest_seq(running: Pipeline, at_least: int = 0) -> int:
    """Waits for notes that are still on their way."""
    async with asyncio.timeout(10):
        while True:
            highest = (await running.drops.remembered()).seq
            if highest >= max(1, at_least):
                return highest
            await asyncio.sleep(0.05)


async def state(nc: Client) -> dict[str, int]:
    found: dict[str, int] = (await call(nc, f"STREAM.INFO.{subjects.STREAM}"))["state"]
    return found


async def test_streams_and_durables_are_as_declared(running: Pipeline) -> None:
    config = (await call(running.nc, f"STREAM.INFO.{subjects.STREAM}"))["config"]
    assert (config["retention"], config["discard"], config["storage"]) == ("limits", "new", "file")
    assert (config["compression"], config["duplicate_window"]) == ("s2", 120 * 10**9)
    assert (config["allow_direct"], config["allow_msg_ttl"]) == (True, True)
    for stage in SMALL.stages:
        durable = (await call(running.nc, f"CONSUMER.INFO.{subjects.STREAM}.{stage}"))["config"]
        assert sorted(durable["filter_subjects"]) == sorted(subjects.wakes(stage, SMALL))
        assert (durable["ack_policy"], durable["max_deliver"], durable["ack_wait"]) == ("explicit", -1, 30 * 10**9)


async def test_nobody_deletes_from_any_stream_also_from_one_that_was_made_before_it_said_so(servers: Servers) -> None:
    nc, pool = await nats.connect(servers.nats), await open_pool(servers.worker, 1)
    for stream, rolls_up in ((HEALTH_STREAM, True), (DEAD_STREAM, False)):
        await make_stream(nc, stream | {"deny_delete": False, "deny_purge": False, "allow_rollup_hdrs": rolls_up})
    await Keeper(nc, PgDrops(pool, SMALL), SMALL, servers.settings()).keep()
    kept = {}
    for name in (await call(nc, "STREAM.NAMES"))["streams"]:
        config = (await call(nc, f"STREAM.INFO.{name}"))["config"]
        assert (config["deny_delete"], config["deny_purge"], config["allow_rollup_hdrs"]) == (True, True, False)
        assert (config["retention"], config["discard"], config["storage"]) == ("limits", "new", "file")
        assert config["max_bytes"] > 0
        kept[name] = config["max_age"] / 10**9 / 3600 / 24
    assert kept == {subjects.STREAM: 30, subjects.DEAD_STREAM: 30, "KV_QL_LLM": 7}
    await nc.close()
    await pool.close()


async def test_keeping_again_changes_nothing(running: Pipeline) -> None:
    before = await call(running.nc, f"STREAM.INFO.{subjects.STREAM}")
    again = Keeper(running.nc, running.drops, SMALL, running.servers.settings())
    await again.keep()
    await again.keep()
    after = await call(running.nc, f"STREAM.INFO.{subjects.STREAM}")
    assert (after["created"], after["state"]["last_seq"]) == (before["created"], before["state"]["last_seq"])


async def test_new_settings_reach_the_durables_at_start(running: Pipeline) -> None:
    await Keeper(running.nc, running.drops, SMALL, running.servers.settings(ack_wait_s=7)).keep()
    info = await call(running.nc, f"CONSUMER.INFO.{subjects.STREAM}.pack")
    assert info["config"]["ack_wait"] == 7 * 10**9


async def test_a_missing_durable_is_made_again(running: Pipeline) -> None:
    await call(running.nc, f"CONSUMER.DELETE.{subjects.STREAM}.pack")
    await running.keeper.keep()
    assert await find(running.nc, f"CONSUMER.INFO.{subjects.STREAM}.pack") is not None


async def test_a_thousand_followers_hide_no_durable(running: Pipeline) -> None:
    """A page of JetStream's names holds 1,024 consumers."""
    follower = {"ack_policy": "none", "mem_storage": True, "max_deliver": -1, "filter_subject": "ql.evt.nobody.>"}
    made = [
        call(
            running.nc,
            f"CONSUMER.CREATE.{subjects.STREAM}.a{number}",
            {"stream_name": subjects.STREAM, "config": follower | {"durable_name": f"a{number}"}, "action": "create"},
        )
        for number in range(1024)
    ]
    await asyncio.gather(*made)
    asked = await running.nc.subscribe(f"$JS.API.CONSUMER.CREATE.{subjects.STREAM}.>")
    await running.keeper.keep()
    await call(running.nc, f"CONSUMER.DELETE.{subjects.STREAM}.side")
    await running.keeper.keep()
    await running.nc.flush()
    heard = [asked._pending_queue.get_nowait().subject for _ in range(asked._pending_queue.qsize())]
    assert [subject.rpartition(".")[2] for subject in heard] == ["side"]


async def republished(running: Pipeline, above: int) -> None:
    """Every fact stands in the new stream, above the old sequences, and the next workflow runs."""
    await running.end(await running.submit("after"))
    async with asyncio.timeout(10):
        while await running.drops.unpublished([*SMALL.stages, "workflow"], older_s=0, limit=1):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    held = await state(running.nc)
    assert held["first_seq"] > above
    answer = await call(running.nc, f"STREAM.INFO.{subjects.STREAM}", {"subjects_filter": subjects.EVENTS})
    assert len(answer["state"]["subjects"]) == 2 * 6


async def test_a_deleted_stream_is_filled_again_above_the_old_sequences(running: Pipeline) -> None:
    highest = await highest_seq(running)
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    await running.keeper.keep()
    await republished(running, highest)


async def test_two_keepers_agree_on_one_stream(running: Pipeline) -> None:
    highest = await highest_seq(running)
    others = [await nats.connect(running.servers.nats) for _ in range(2)]
    keepers = [Keeper(nc, running.drops, SMALL, running.servers.settings()) for nc in others]
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    await asyncio.gather(*(keeper.keep() for keeper in keepers))
    await asyncio.gather(*(keeper.keep() for keeper in keepers))
    created = (await call(running.nc, f"STREAM.INFO.{subjects.STREAM}"))["created"]
    assert (await running.drops.remembered()).created == created
    await republished(running, highest)
    for nc in others:
        await nc.close()


async def test_a_note_from_the_old_stream_that_came_late_is_made_good(
    running: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "SETTLED_S", 0)
    known = await running.drops.remembered()
    history = await running.reads.events(TENANT, known.event.partition(".")[0])
    highest = next(event for event in history if event.id == known.event)
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    await running.keeper.keep()
    await running.drops.published([highest])
    await Keeper(running.nc, running.drops, SMALL, running.servers.settings()).keep()  # the first has died meanwhile
    await republished(running, highest.seq)


@pytest.mark.parametrize("above", [None, 1])
async def test_a_stream_that_somebody_else_made_anew_is_noticed(running: Pipeline, above: int | None) -> None:
    """Also one that begins just above our sequences: what the old one had answered may stand there."""
    highest = await highest_seq(running)
    config = (await call(running.nc, f"STREAM.INFO.{subjects.STREAM}"))["config"]
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    begins = {} if above is None else {"first_seq": highest + above}
    await call(running.nc, f"STREAM.CREATE.{subjects.STREAM}", config | begins)
    await running.keeper.keep()
    await republished(running, highest + keep.FAR)


async def test_a_stream_that_lost_its_tail_is_noticed(running: Pipeline) -> None:
    """As after a power cut or from a backup: what stands at our highest sequence is another message."""
    highest = await highest_seq(running)
    config = (await call(running.nc, f"STREAM.INFO.{subjects.STREAM}"))["config"]
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    await call(running.nc, f"STREAM.CREATE.{subjects.STREAM}", config)
    for n in range(highest):
        await running.nc.jetstream().publish(f"ql.wake.draft.t.w{n}", b"")
    await running.keeper.keep()
    await republished(running, highest)


async def test_another_stream_in_the_way_is_an_error_that_names_it(servers: Servers) -> None:
    nc = await nats.connect(servers.nats)
    await nc.jetstream().add_stream(name="OTHER", subjects=["ql.>"])
    try:
        with pytest.raises(ApiError, match=r"STREAM\.CREATE\.QL: subjects overlap"):
            async with pipeline(servers, SMALL, workers=0):
                pass
    finally:
        await nc.close()


@pytest.mark.parametrize("once", [True, False])
async def test_the_process_says_what_a_power_cut_takes_and_when_it_is_ready(servers: Servers, once: bool) -> None:
    command = [sys.executable, "-m", "workers.keeper", *(["--once"] if once else [])]
    async with said_to_be(servers.nats, "2.11.9") as url:
        environ = {"PATH": os.defpath, "QL_NATS_URL": url, "QL_DATABASE_URL": servers.worker}
        process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=PIPE, stderr=PIPE)
        assert process.stdout
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
        if not once:
            process.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    (old,) = (news["reason"] for line in told.splitlines() if (news := loads(line))["event"] == "nats.too_old")
    assert old.startswith("the NATS server is version 2.11, ")
    promises = {news["store"]: news for line in told.splitlines() if (news := loads(line))["event"] == "durability"}
    assert promises.keys() == {"nats", "postgresql"}
    assert promises["nats"]["found"] == "sync_interval 1s"
    assert "a power cut may take the events of the last 1 s" in promises["nats"]["meaning"]
    assert "no accepted workflow and no finished stage is lost at a power cut" in promises["postgresql"]["meaning"]
    nc = await nats.connect(servers.nats)
    names = (await call(nc, f"CONSUMER.NAMES.{subjects.STREAM}"))["consumers"]
    await nc.close()
    assert sorted(names) == sorted([*TOPOLOGY.stages, *subjects.OBSERVERS])


async def test_the_process_collects_what_no_drop_refers_to(servers: Servers) -> None:
    command = [sys.executable, "-m", "workers.keeper", "--collect", "--dry-run"]
    environ = {"PATH": os.defpath, "QL_S3_URL": servers.s3, "QL_S3_BUCKET": servers.bucket}
    environ |= {"QL_DATABASE_URL": servers.worker}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=PIPE)
    told, _ = await process.communicate()
    assert (process.returncode, told) == (0, b"found 0 artifacts without a drop, 0 bytes, of 0 looked at\n")


async def test_the_process_refuses_to_collect_for_a_role_that_sees_no_drops(servers: Servers) -> None:
    command = [sys.executable, "-m", "workers.keeper", "--collect"]
    environ = {"PATH": os.defpath, "QL_S3_URL": servers.s3, "QL_S3_BUCKET": servers.bucket}
    environ |= {"QL_DATABASE_URL": servers.gateway}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=PIPE, stderr=PIPE)
    out, told = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert told == (
        b"nothing was deleted: this database role may not see every drop: use that of the workers, ql_worker\n"
    )


async def test_the_process_waits_for_a_postgresql_that_is_away(servers: Servers) -> None:
    address, (port,) = urlsplit(servers.worker), free_ports(1)
    command = [sys.executable, "-m", "workers.keeper"]
    environ = {"PATH": os.defpath, "QL_NATS_URL": servers.nats}
    environ |= {"QL_DATABASE_URL": servers.worker.replace(f":{address.port}/", f":{port}/")}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=PIPE, stderr=PIPE)
    assert process.stdout
    assert process.stderr
    assert b"keeper.failed" in await asyncio.wait_for(process.stderr.readline(), 20)
    there = await asyncio.start_server(partial(_pass_on, address.port or 0), "127.0.0.1", port)
    assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    there.close()


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while body := await reader.read(65536):
        writer.write(body)
        await writer.drain()
    writer.close()


async def test_the_process_names_what_is_not_set() -> None:
    command = [sys.executable, "-m", "workers.keeper"]
    process = await asyncio.create_subprocess_exec(*command, env={"PATH": os.defpath}, stderr=PIPE)
    _, told = await process.communicate()
    assert process.returncode == 2
    assert told == b"the keeper needs QL_NATS_URL, QL_DATABASE_URL\n"
