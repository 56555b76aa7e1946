"""A real gateway on loopback, over real servers of its own, and the worker's side of the same database."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx
import nats
import nats.errors
import pytest
from fastapi import FastAPI
from nats.aio.client import Client

from contracts.topology import TOPOLOGY
from deploy.local.stack import Stack
from gateway.app import create_app
from gateway.serving import Server
from gateway.state import State
from tests.servers import Database
from workers.keeper.keep import Keeper
from workers.kit.llm.wire import MODELS
from workers.kit.runner.publish import Publisher
from workers.kit.settings import Settings
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.pg import PgDrops, close_pool, open_pool

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For what is on loopback: to read the certificates that one trusts takes longer than most tests."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """The gateway by HTTP, and what its workers would hold."""

    url: str
    http: httpx.AsyncClient
    drops: PgDrops
    artifacts: S3Artifacts
    publisher: Publisher
    nc: Client
    settings: Settings
    app: FastAPI

    @property
    def state(self) -> State:
        """What the gateway itself holds."""
        held: State = self.app.state.gateway
        return held


@pytest.fixture
async def served(stack: Stack, database: Database, bucket: str, nats_url: str) -> AsyncIterator[Served]:
    async with serving(stack, database, bucket, nats_url) as running:
        yield running


@asynccontextmanager
async def serving(stack: Stack, database: Database, bucket: str, nats_url: str) -> AsyncIterator[Served]:
    """A gateway, until the block ends."""
    settings = Settings(nats_url=nats_url, database_url=database.gateway, s3_url=stack.urls.s3, s3_bucket=bucket)
    nc = await nats.connect(nats_url)
    pool = await open_pool(database.worker, 4)
    drops = PgDrops(pool, TOPOLOGY)
    await Keeper(nc, drops, TOPOLOGY, settings).keep()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    app = create_app(settings)
    server = Server(app, log_level="error", timeout_graceful_shutdown=1)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=20, verify=NO_TLS) as http:
        while not server.started:  # noqa: ASYNC110  uvicorn offers no event to wait for
            await asyncio.sleep(0.01)
        yield Served(
            url=url,
            http=http,
            drops=drops,
            artifacts=S3Artifacts(stack.urls.s3, bucket),
            publisher=Publisher(nc, drops),
            nc=nc,
            settings=settings,
            app=app,
        )
    server.should_exit = True
    await serving
    await close_pool(pool)
    await nc.close()


@asynccontextmanager
async def router(served: Served, database: Database, **env: str) -> AsyncIterator[None]:
    """A model router process behind the gateway, until the block ends."""
    settings = {
        "QL_NATS_URL": served.settings.nats_url,
        "QL_DATABASE_URL": database.worker,
        "QL_S3_URL": served.settings.s3_url,
        "QL_S3_BUCKET": served.settings.s3_bucket,
    }
    argv = (sys.executable, "-m", "workers.llm_router")
    process = await asyncio.create_subprocess_exec(*argv, env={**os.environ, **settings, **env})
    try:
        await _up(served, process)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def _up(served: Served, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60):
        while process.returncode is None:
            with suppress(nats.errors.NoRespondersError, nats.errors.TimeoutError):
                await served.nc.request(MODELS, b"", timeout=1)
                return
            await asyncio.sleep(0.1)
    pytest.fail("the router ended")
