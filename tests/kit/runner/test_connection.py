"""A connection to a real server that answers for a while to nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from deploy.local.ports import free_ports
from tests.kit.runner.test_pull import DURABLE, STREAM, Handler, provision, send, server
from workers.kit.runner import pull
from workers.kit.runner.connection import alive, round_trip
from workers.kit.runner.pull import PullLoop

Held = tuple[Client, asyncio.subprocess.Process]


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    (port,) = free_ports(1)
    async with server(port, tmp_path) as process:
        nc = await nats.connect(f"nats://127.0.0.1:{port}", max_reconnect_attempts=-1, reconnect_time_wait=0.05)
        yield nc, process
        await nc.close()


@contextmanager
def silent(process: asyncio.subprocess.Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def carried(nc: Client) -> None:
    """By this very connection, or by the one that was made in its place."""
    async with asyncio.timeout(5):
        while True:
            try:
                await nc.request("$JS.API.INFO", b"", timeout=0.5)
            except NatsError:
                continue
            return


@pytest.mark.parametrize("stop", [False, True])
async def test_a_server_that_is_silent_while_credit_is_given_back_deafens_nobody(
    held: Held, monkeypatch: pytest.MonkeyPatch, stop: bool
) -> None:
    monkeypatch.setattr(pull, "DRAIN_S", 0.1)
    nc, process = held
    await provision(nc)
    handler = Handler()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    await loop.start()
    await send(nc, 2)
    await handler.saw(2)
    with silent(process):
        await asyncio.wait_for(loop.stop(1) if stop else loop.offer(9), 1)
    await carried(nc)
    assert nc.stats["reconnects"] == 0
    if not stop:
        await send(nc, 2)
        await handler.saw(4)
        await loop.stop(1)


async def test_a_round_trip_that_took_too_long_is_no_harm(held: Held) -> None:
    nc, process = held
    with silent(process), pytest.raises(NatsError):
        await round_trip(nc, 0.1)
    await round_trip(nc, 1)
    assert nc.stats["reconnects"] == 0


@pytest.mark.parametrize("who", ["loop", "livez"])
async def test_a_connection_that_nobody_reads_any_more_is_made_anew(held: Held, who: str) -> None:
    """As after a flush of nats-py's that was answered too late."""
    nc, process = held
    await provision(nc)
    handler = Handler()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    with silent(process), pytest.raises(NatsError):
        await nc.flush(timeout=0.1)  # type: ignore[arg-type]  # nats-py takes seconds as a float as well
    with pytest.raises(NatsError):
        await nc.request("$JS.API.INFO", b"", timeout=0.3)
    assert nc.is_connected
    if who == "loop":
        await loop.start()
    else:
        await alive(nc)
    await carried(nc)
    assert nc.stats["reconnects"] == 1
    if who == "loop":
        await send(nc, 2)
        await handler.saw(2)
        await loop.stop(1)
