"""The gateway under load: submissions at a fixed rate into a queue that nobody works at, then the queue drained."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg

from deploy.local.ports import free_ports
from deploy.local.stack import Stack
from tests.bench.place import Place, place
from tests.bench.usage import cpu_by_kind, resident
from tests.gateway.load import Load, submissions

WORKERS = 2
LOOK_S = 0.5
READY_S = 30.0
ENDED = "SELECT count(*) FROM workflows WHERE state = 'completed'"


@dataclass(slots=True)
class Memory:
    """Resident MiB of one kind of process: at the start, the most, at the end."""

    seen: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.seen[0]:.0f} MiB, at most {max(self.seen):.0f}, {self.seen[-1]:.0f} at the end"


@dataclass(slots=True)
class Queued:
    """What came of it."""

    load: Load
    cpu_ms: float
    completed: int = 0
    drained_s: float = 0.0
    gateway: Memory = field(default_factory=Memory)
    workers: Memory = field(default_factory=Memory)


async def measure(stack: Stack, *, rate: float, seconds: float, patience_s: float = 600) -> Queued:
    """Submit, then start the workers and wait until all have ended. The bus holds as many at once as by default."""
    async with place(stack, tenant_active=1000, slots=128) as here, _gateway(here) as url:
        gateway = Memory([resident(os.getpid(), "gateway")])
        before = cpu_by_kind(os.getpid())["gateway"]
        load = await submissions(url, rate=rate, seconds=seconds)
        spent = cpu_by_kind(os.getpid())["gateway"] - before
        queued = Queued(load, spent * 1000 / max(1, len(load.ids)), gateway=gateway)
        gateway.seen.append(resident(os.getpid(), "gateway"))
        for _ in range(WORKERS):
            here.start()
        await here.started()
        await _drain(here, queued, patience_s)
    return queued


async def _drain(here: Place, queued: Queued, patience_s: float) -> None:
    connection = await asyncpg.connect(here.database.admin)
    began = time.monotonic()
    try:
        while queued.completed < len(queued.load.ids) and time.monotonic() < began + patience_s:
            for kind, memory in (("gateway", queued.gateway), ("workers", queued.workers)):
                memory.seen.append(resident(os.getpid(), kind))
            queued.completed = await connection.fetchval(ENDED)
            await asyncio.sleep(LOOK_S)
    finally:
        await connection.close()
    queued.drained_s = time.monotonic() - began


@asynccontextmanager
async def _gateway(here: Place) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    environment = here.environment() | {"QL_DATABASE_URL": here.servers.gateway, "QL_HTTP_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", env=environment)
    try:
        async with asyncio.timeout(READY_S):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
