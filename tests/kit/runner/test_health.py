"""What a worker says of itself over HTTP, while its servers come and go."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import nats
import pytest

from contracts import subjects
from deploy.local.ports import free_ports
from deploy.local.stack import NATS, Stack
from tests.flow.noop import Servers, pipeline
from tests.kit.runner.small import SMALL
from tests.kit.runner.test_process import worker
from tests.servers import Database
from workers.kit.runner.connection import DeadConnection
from workers.kit.runner.health import Checks


async def status(port: int, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/{path}")
        except httpx.TransportError as error:
            return 0, str(error)
        return answer.status_code, answer.text


async def until(port: int, path: str, wanted: int) -> str:
    """What it said with the status that was waited for."""
    async with asyncio.timeout(20):
        while (seen := await status(port, path))[0] != wanted:  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.1)
    return seen[1]


async def test_a_worker_without_one_of_its_tasks_is_not_alive(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=1) as running:
        (working,) = running.workers
        checks = Checks(running.nc, running.drops, list(SMALL.stages), working)
        await asyncio.gather(*(checks.live() for _ in range(5)))
        watching = working._loops[2]._watching
        assert watching
        watching.cancel()
        with pytest.raises(RuntimeError, match="the pull loop of side does not turn"):
            await checks.live()
        sweeping = working._sweeping
        assert sweeping
        sweeping.cancel()
        await asyncio.wait([sweeping])
        with pytest.raises(RuntimeError, match="the sweeper of this process ended"):
            await checks.live()


async def test_a_worker_whose_connection_was_given_up_is_not_alive(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=1) as running:
        closed = await nats.connect(servers.nats)
        checks = Checks(closed, running.drops, list(SMALL.stages), running.workers[0])
        await checks.live()
        await closed.close()
        with pytest.raises(DeadConnection, match="given up"):
            await checks.live()


async def test_live_and_ready_follow_the_servers(stack: Stack, database: Database, bucket: str, tmp_path: Path) -> None:
    async with Stack(tmp_path / "nats", frozenset({NATS})) as own:
        servers = Servers(
            nats=own.urls.nats, worker=database.worker, gateway=database.gateway, s3=stack.urls.s3, bucket=bucket
        )
        (port,) = free_ports(1)
        async with pipeline(servers, SMALL, workers=0) as running, worker(servers, 1, health_port=port) as process:
            assert await until(port, "readyz", 200)
            assert (await status(port, "livez"))[0] == 200
            assert (await status(port, ""))[0] == 404

            os.kill(own.pid(NATS), signal.SIGSTOP)  # takes what is sent and answers nothing
            assert "timeout" in (await until(port, "readyz", 503)).lower()
            assert (await status(port, "livez"))[0] == 200  # a restart would not mend it
            (late,) = free_ports(1)
            async with worker(servers, 1, health_port=late):
                await until(late, "livez", 200)
                assert (await status(late, "readyz")) == (503, "starting\n")
            os.kill(own.pid(NATS), signal.SIGCONT)
            await until(port, "readyz", 200)

            await running.nc.jetstream().delete_consumer(subjects.STREAM, "check")
            assert "check" in await until(port, "readyz", 503)
            assert (await status(port, "livez"))[0] == 200
            await running.nc.jetstream().delete_stream(subjects.STREAM)
            await until(port, "readyz", 503)
            assert (await status(port, "livez"))[0] == 200

            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 15) == 0
