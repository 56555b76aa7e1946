"""A thousand who follow everything at one gateway process: what an event costs for each, how late the last hears of it,
and whether anybody misses one when the gateway is killed and all come back at once."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import msgspec
import nats
from nats.aio.client import Client

from contracts.artifacts import JSON
from contracts.cloudevents import to_binary, to_structured
from contracts.events import Ref, StageCompleted, event
from contracts.topology import TOPOLOGY
from deploy.local.ports import free_ports
from deploy.local.stack import Stack
from tests.bench.followers import Seen
from tests.bench.measure import tied
from tests.bench.place import Place, place
from tests.bench.table import Table
from tests.bench.usage import cpu_by_kind
from tests.flow.noop import TENANT

READY_S = 60.0
COST_US = 15.0
WORKFLOWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many follow, how many events at which rates, and for how long during the storm."""

    clients: int
    rates: tuple[float, ...]
    events: int
    storm_s: float


SHORT = Extent(clients=1000, rates=(30,), events=120, storm_s=5)
FULL = Extent(clients=1000, rates=(10, 30, 100, 1000), events=300, storm_s=20)


@dataclass(slots=True)
class Published:
    """When each event was published, by its place in the stream."""

    nc: Client
    at: dict[int, float] = field(default_factory=dict)
    _number: int = 0

    async def at_rate(self, rate: float, *, going: Callable[[], bool]) -> None:
        """One after the other, for as long as it goes."""
        began, first, js = time.monotonic(), self._number, self.nc.jetstream()
        async with asyncio.TaskGroup() as publishing:
            while going():
                subject, headers, body = _event(self._number)
                at = time.monotonic()
                self._number += 1
                publishing.create_task(self._told(js.publish(subject, body, headers=headers), at))
                await asyncio.sleep(max(0, began + (self._number - first) / rate - time.monotonic()))

    async def _told(self, stored: Awaitable[nats.js.api.PubAck], at: float) -> None:
        self.at[(await stored).seq] = at

    async def some(self, rate: float, count: int) -> list[int]:
        """So many; their places."""
        before, until = set(self.at), self._number + count
        await self.at_rate(rate, going=lambda: self._number < until)
        return sorted(set(self.at) - before)


def _event(number: int) -> tuple[str, dict[str, str], bytes]:
    workflow, stages = f"01STREAM{number % WORKFLOWS:018d}", list(TOPOLOGY.stages)
    turn = number // WORKFLOWS
    stage, revision = stages[turn % len(stages)], 1 + turn // len(stages)
    told = StageCompleted(
        tenant=TENANT,
        workflow=workflow,
        drop=f"{workflow}.{stage}.{revision}",
        stage=stage,
        revision=revision,
        artifact=Ref(key=f"artifacts/{TENANT}/00/{'0' * 64}", offset=0, length=9, sha256="0" * 64),
        media_type=JSON,
        work_ms=5,
    )
    made = event(told, stage=stage, outcome="completed", revision=revision, time="2026-01-01T00:00:00.000000Z")
    return to_binary(to_structured(made))


async def measure(table: Table, stack: Stack, extent: Extent, only: set[str]) -> None:
    """Both rows."""
    if only and "streams" not in only:
        return
    async with place(stack) as here:
        nc = await nats.connect(here.servers.nats)
        (port,) = free_ports(1)
        gateway = await _gateway(here, port)
        try:
            async with _clients(here, port, extent.clients) as clients:
                published = Published(nc)
                for rate in extent.rates:
                    await _steady(table, extent, rate, published, clients)
                gateway = await _storm(table, here, extent, published, clients, gateway, port)
        finally:
            gateway.terminate()
            await gateway.wait()
            await nc.close()


async def _steady(table: Table, extent: Extent, rate: float, published: Published, clients: Process) -> None:
    before = cpu_by_kind(os.getpid())["gateway"]
    events = await published.some(rate, extent.events)
    seen = await _seen(clients, events[-1])
    cpu_us = (cpu_by_kind(os.getpid())["gateway"] - before) * 1e6 / len(events) / extent.clients
    late = sorted((seen.last[place] - published.at[place]) * 1000 for place in events if place in seen.last)
    half, most = statistics.median(late), late[int(len(late) * 0.95)]
    whole = _whole(seen, published, extent)
    said = f"{cpu_us:.1f} CPU-µs an event and client; the last hears of it after {half:.0f} ms p50, {most:.0f} ms p95"
    what = f"{extent.clients:,} SSE clients at one gateway process, {rate:g} events/s"
    table.add(what, f"< {COST_US:g} CPU-µs", f"{said}{'' if whole else '; SOME LOST'}", whole and cpu_us < COST_US)


async def _storm(
    table: Table, here: Place, extent: Extent, published: Published, clients: Process, gateway: Process, port: int
) -> Process:
    until = time.monotonic() + extent.storm_s
    publishing = asyncio.create_task(published.at_rate(20, going=lambda: time.monotonic() < until))
    await asyncio.sleep(extent.storm_s / 3)
    gateway.kill()
    await gateway.wait()
    gateway = await _gateway(here, port)
    back, cpu = time.monotonic(), cpu_by_kind(os.getpid())["gateway"]
    await publishing
    (last,) = await published.some(20, 1)
    seen = await _seen(clients, last)
    took, cpu = time.monotonic() - max(back, published.at[last]), cpu_by_kind(os.getpid())["gateway"] - cpu
    right = sum(count for story, count in seen.stories if story == sorted(published.at))
    said = f"{right:,} of {extent.clients:,} saw each of {len(published.at)} events once and in order"
    said += f"; {seen.connects - extent.clients:,} came back with {cpu * 1000 / extent.clients:.1f} CPU-ms each"
    said += f", all had all {took:.1f} s after both"
    what = f"the gateway killed in the middle, {extent.clients:,} SSE clients come back at once"
    table.add(what, "none lost", said, right == extent.clients and seen.connects >= 2 * extent.clients)
    return gateway


def _whole(seen: Seen, published: Published, extent: Extent) -> bool:
    return seen.stories == [(sorted(published.at), extent.clients)]


async def _seen(clients: Process, place: int) -> Seen:
    assert clients.stdin is not None
    clients.stdin.write(b"%d\n" % place)
    return msgspec.json.decode(await _said(clients, b"seen"), type=Seen, strict=False)


async def _said(clients: Process, word: bytes) -> bytes:
    assert clients.stdout is not None
    first, _, rest = (await clients.stdout.readline()).rstrip().partition(b" ")
    if first != word:
        raise RuntimeError(f"the clients ended with {await clients.wait()}")
    return rest


@asynccontextmanager
async def _clients(here: Place, port: int, count: int) -> AsyncIterator[Process]:
    command = tied([sys.executable, "-m", "tests.bench.followers", str(port), str(count)])
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, env=here.environment(), limit=1 << 26
    )
    try:
        async with asyncio.timeout(READY_S):
            await _said(process, b"warm")
        yield process
    finally:
        process.kill()
        await process.wait()


async def _gateway(here: Place, port: int) -> Process:
    environment = here.environment() | {"QL_DATABASE_URL": here.servers.gateway, "QL_HTTP_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(*tied([sys.executable, "-m", "gateway"]), env=environment)
    async with asyncio.timeout(READY_S):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return process
            await asyncio.sleep(0.05)


PARTS = ("streams",)
