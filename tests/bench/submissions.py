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
from tests.bench.measure import tied
from tests.bench.place import Place, place
from tests.bench.usage import cpu_by_kind, resident_each
from tests.gateway.load import Load, submissions

WORKERS = 2
SLOTS = 128
LOOK_S = 0.5
READY_S = 30.0
GROWN_MIB = 64
"""A process holds caches of up to 16 MiB."""

ENDED = "SELECT count(*) FROM workflows WHERE state = 'completed'"


@dataclass(slots=True)
class Memory:
    """Resident MiB of the processes of one kind: of each at the start and at most."""

    kind: str
    start: dict[int, float] = field(default_factory=dict)
    peak: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """The first look at a process is its start."""
        for pid, mib in resident_each(os.getpid(), self.kind).items():
            self.start.setdefault(pid, mib)
            self.peak[pid] = max(mib, self.peak.get(pid, 0.0))

    @property
    def grown_mib(self) -> float:
        """By how much the one process grew that grew most."""
        return max(self.peak[pid] - mib for pid, mib in self.start.items())

    def __str__(self) -> str:
        each = ", ".join(
            f"{mib:.0f} MiB at the start and {self.peak[pid]:.0f} at most" for pid, mib in self.start.items()
        )
        return f"{self.kind} {each}"


@dataclass(slots=True)
class Queued:
    """What came of it."""

    load: Load
    cpu_ms: float
    completed: int = 0
    drained_s: float = 0.0
    gateway: Memory = field(default_factory=lambda: Memory("gateway"))
    workers: Memory = field(default_factory=lambda: Memory("workers"))

    @property
    def flat(self) -> bool:
        """No process grew by more than its caches may hold, and as much again."""
        return max(self.gateway.grown_mib, self.workers.grown_mib) < GROWN_MIB


async def measure(stack: Stack, *, rate: float, seconds: float, patience_s: float = 600) -> Queued:
    """Submit, each at once onto the bus; then start the workers and wait until all have ended."""
    async with place(stack, slots=SLOTS, tenant_active=round(rate * seconds)) as here, _gateway(here) as url:
        gateway = Memory("gateway")
        gateway.look()
        before = cpu_by_kind(os.getpid())["gateway"]
        load = await submissions(url, rate=rate, seconds=seconds)
        spent = cpu_by_kind(os.getpid())["gateway"] - before
        queued = Queued(load, spent * 1000 / max(1, len(load.ids)), gateway=gateway)
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
            queued.gateway.look()
            queued.workers.look()
            queued.completed = await connection.fetchval(ENDED)
            await asyncio.sleep(LOOK_S)
    finally:
        await connection.close()
    queued.drained_s = time.monotonic() - began


@asynccontextmanager
async def _gateway(here: Place) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    environment = here.environment() | {"QL_DATABASE_URL": here.servers.gateway, "QL_HTTP_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(*tied([sys.executable, "-m", "gateway"]), env=environment)
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
