"""What a worker says of itself over HTTP, while its servers come and go."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx

from contracts import subjects
from deploy.local.ports import free_ports
from deploy.local.stack import NATS, Stack
from tests.flow.noop import Servers, pipeline
from tests.kit.runner.small import SMALL
from tests.kit.runner.test_process import worker
from tests.servers import Database


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
            assert "timeout" in (await until(port, "livez", 503)).lower()
            os.kill(own.pid(NATS), signal.SIGCONT)
            await until(port, "livez", 200)

            await running.nc.jetstream().delete_consumer(subjects.STREAM, "check")
            assert "check" in await until(port, "readyz", 503)
            assert (await status(port, "livez"))[0] == 200
            await running.nc.jetstream().delete_stream(subjects.STREAM)
            await until(port, "readyz", 503)
            assert (await status(port, "livez"))[0] == 200

            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 15) == 0
