"""The gateway as a process of its own, killed where it hurts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contracts.artifacts import JSON
from contracts.subjects import STREAM
from contracts.topology import TOPOLOGY
from tests.gateway.conftest import Served
from tests.gateway.test_cli import QL
from tests.gateway.test_events import REF, work
from tests.gateway.test_workflows import PROMPT, on_stream, submit
from workers.keeper.keep import Keeper
from workers.kit.stores.drops import Completed, Failed


@asynccontextmanager
async def gateway(
    served: Served, port: int = 0, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Another gateway on the same servers, and its address."""
    port = port or free_port()
    settings = served.settings
    urls = {
        "QL_NATS_URL": settings.nats_url,
        "QL_DATABASE_URL": settings.database_url,
        "QL_S3_URL": settings.s3_url,
        "QL_S3_BUCKET": settings.s3_bucket,
        "QL_HTTP_PORT": str(port),
    }
    command = [sys.executable, "-m", "gateway"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **urls, **environment})
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url)
        yield process, url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        for _ in range(300):
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError("the gateway is not ready")


async def _asked(url: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url) as http:
        return await http.post("/v1/workflows", json={"prompt": PROMPT}, headers={"Idempotency-Key": "once"})


async def test_a_gateway_killed_between_commit_and_answer_has_one_workflow_for_a_client_that_tries_again(
    served: Served, tmp_path: Path
) -> None:
    died = tmp_path / "died"
    async with gateway(served, QL_CRASH=f"gateway:after_submit_commit:{died}") as (process, url):
        with pytest.raises(httpx.TransportError):
            await _asked(url)
        assert await process.wait() == -signal.SIGKILL
    rows = (await served.http.get("/v1/workflows")).json()["items"]
    assert len(rows) == 1  # it was committed, and nobody was told
    async with gateway(served) as (_, url):
        again = await _asked(url)
        assert (again.status_code, again.json()["id"]) == (202, rows[0]["id"])
        await on_stream(served, rows[0]["id"])
    assert len((await served.http.get("/v1/workflows")).json()["items"]) == 1


async def test_a_follower_says_that_the_gateway_is_away_and_prints_no_event_twice(served: Served) -> None:
    """The gateway is killed, and the stream it told from is lost: its events come again, at other places."""
    workflow, port = await submit(served), free_port()
    await work(served, workflow, "prompt_enhancement", Completed(artifact=REF, media_type=JSON))
    async with gateway(served, port) as (process, url):
        command = [QL, "events", "tail", workflow]
        env = {**os.environ, "QL_GATEWAY_URL": url}
        tail = await asyncio.create_subprocess_exec(*command, env=env, stdout=PIPE, stderr=PIPE)
        assert tail.stdout
        assert tail.stderr
        told = [await tail.stdout.readline(), await tail.stdout.readline()]
        process.kill()
        assert b"does not answer" in await tail.stderr.readline()
    await served.nc.jetstream().delete_stream(STREAM)
    await Keeper(served.nc, served.drops, TOPOLOGY, served.settings).keep()
    stages = ["workflow", *TOPOLOGY.stages]
    lost = await served.drops.unpublished(stages, older_s=0, limit=100)
    await served.drops.published([await served.publisher.fact(event) for event in lost])
    assert len(lost) == 2
    async with gateway(served, port):
        assert b"is back" in await tail.stderr.readline()
        await work(served, workflow, "frd_generation", Failed(error="no"))
        rest, _ = await tail.communicate()
    ids = [json.loads(line)["id"].split(".", 1)[1] for line in (*told, *rest.splitlines())]
    assert ids == [
        "workflow.submitted.1",
        "prompt_enhancement.completed.1",
        "frd_generation.failed.1",
        "workflow.failed.1",
    ]
