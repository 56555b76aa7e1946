"""What a process says of itself over HTTP."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest
from faststream import FastStream
from faststream.nats import NatsBroker
from structlog.testing import capture_logs

from deploy.local.ports import free_ports
from workers.kit.runner.connection import DeadConnection
from workers.kit.runner.doors import AT_ONCE, Check, awake, open_doors, watch
from workers.kit.settings import Settings


async def until_open(host: str, port: int) -> None:
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(0.01)


async def test_the_answer_is_what_is_looked_at_and_only_at_the_address_that_was_set() -> None:
    (port,) = free_ports(1)
    settings = Settings(health_host="127.0.0.2", health_port=port)
    async with httpx.AsyncClient(trust_env=False) as client:

        async def told(path: str, host: str = "127.0.0.2") -> tuple[int, str]:
            answer = await client.get(f"http://{host}:{port}/{path}")
            return answer.status_code, answer.text.strip()

        async def dead() -> None:
            raise RuntimeError("it ended")

        async with open_doors(settings) as checks:
            async with asyncio.timeout(20):
                await until_open("127.0.0.2", port)
            assert (await told("livez"))[0] == 200
            assert await told("readyz") == (503, "starting")
            assert (await told(""))[0] == 404
            checks |= {"/livez": dead, "/readyz": awake}
            assert await told("livez") == (503, "it ended")
            assert (await told("readyz"))[0] == 200
            with pytest.raises(httpx.ConnectError):
                await told("livez", "127.0.0.1")
        with pytest.raises(httpx.ConnectError):
            await told("livez")


async def test_a_port_that_is_taken_ends_nothing() -> None:
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    with capture_logs() as told:
        async with other, open_doors(Settings(health_port=port)), asyncio.timeout(5):
            while not told:  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.01)
    assert told == [{"event": "health.no_doors", "log_level": "error", "host": "127.0.0.1", "port": port}]


async def test_more_connections_than_anybody_needs_are_told_so() -> None:
    (port,) = free_ports(1)
    async with open_doors(Settings(health_port=port)), httpx.AsyncClient(trust_env=False) as client:
        async with asyncio.timeout(20):
            await until_open("127.0.0.1", port)
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(AT_ONCE)]
        assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 503
        for _, writer in idle:
            writer.close()
        async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False) as again:
            while (await again.get(f"http://127.0.0.1:{port}/livez")).status_code != 200:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)


async def test_a_service_without_its_connection_or_its_task_is_not_live(nats_url: str) -> None:
    broker = NatsBroker(nats_url, logger=None)
    service, ended = FastStream(broker, logger=None), list[str]()
    checks: dict[str, Check] = {"/livez": awake}

    def ping() -> None:
        if ended:
            raise RuntimeError(ended.pop())

    watch(service, checks, ping)
    await service.start()
    await checks["/livez"]()
    ended.append("the task ended")
    with pytest.raises(RuntimeError, match="the task ended"):
        await checks["/livez"]()
    await (await broker.connect()).close()
    with pytest.raises(DeadConnection, match="given up"):
        await checks["/livez"]()
