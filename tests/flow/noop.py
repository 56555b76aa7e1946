"""A pipeline of stages that do nothing, on given servers, in this process: for tests of the runner and `make bench`.

The stages are bound, woken, claimed, stored and published like the real ones; only their work is missing.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from ulid import ULID

from contracts.artifacts import Capsule, Submission
from contracts.subjects import parse_event
from contracts.topology import PIPELINE, Stage, Topology
from workers.keeper.keep import Keeper
from workers.kit.binding import Binding, bind
from workers.kit.runner.attempt import BackOff
from workers.kit.runner.publish import Publisher
from workers.kit.runner.worker import Worker
from workers.kit.settings import Settings
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.drops import NewWorkflow
from workers.kit.stores.pg import PgDrops, PgReads, open_pool

TENANT = "default"
PADDING = "x" * 2048
CAPSULE = Capsule(name="noop", grade="A", reasons=(), files=0, archive=PADDING.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where the servers are: PostgreSQL as ql_worker (`worker`) and as ql_gateway."""

    nats: str
    worker: str
    gateway: str
    s3: str
    bucket: str

    def settings(self, **changes: object) -> Settings:
        """A worker's settings for them."""
        urls = {"nats_url": self.nats, "database_url": self.worker, "s3_url": self.s3, "s3_bucket": self.bucket}
        return Settings.model_validate({**urls, **changes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What the pipeline itself costs. CPU is that of this process and, where they are its children, the servers."""

    p50_ms: float
    workflows_per_s: float
    cpu_ms_per_workflow: float
    wakes: int


def topology_of(stages: int) -> Topology:
    """The product's own shape for 14 stages, a chain for any other number; each stage has a product of its own."""
    if stages != len(PIPELINE):
        return chain(stages)
    renamed = [msgspec.structs.replace(row, produces=product(row.name)) for row in PIPELINE[:-1]]
    return Topology([*renamed, PIPELINE[-1]])


def chain(stages: int) -> Topology:
    """One step after the other, `step_0` to the last, none of which makes a capsule."""
    names = [f"step_{n}" for n in range(stages)]
    return Topology(
        [
            Stage(name=name, needs=tuple(names[n - 1 : n]) if n else (), produces=product(name))
            for n, name in enumerate(names)
        ]
    )


def product(name: str) -> type[msgspec.Struct]:
    fields: list[tuple[str, type] | tuple[str, type, object]]
    fields = [("stage", str), ("revision", int), ("padding", str, PADDING)]
    return msgspec.defstruct(f"Noop_{name}", fields, frozen=True, kw_only=True)


def noop(row: Stage, topology: Topology) -> Callable[..., object]:
    """A stage that takes what its needs made and returns its product."""

    async def stage(**inputs: msgspec.Struct) -> msgspec.Struct:
        return CAPSULE if row.produces is Capsule else row.produces(stage=row.name, revision=len(inputs))

    hints: dict[str, type] = {need: topology[need].produces for need in row.needs}
    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in hints]
    stage.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect itself reads
    stage.__annotations__ = {**hints, "return": row.produces}
    return stage


def bind_all(topology: Topology, stages: Mapping[str, object] | None = None) -> list[Binding]:
    """Every stage of the topology bound; those not given do nothing."""
    given = stages or {}
    return [bind(given.get(name) or noop(row, topology), name, topology) for name, row in topology.stages.items()]


@dataclass(slots=True)
class Pipeline:
    """Workers in this process, and a gateway's hands: submit, and see how workflows end."""

    servers: Servers
    topology: Topology
    nc: Client
    drops: PgDrops
    reads: PgReads
    artifacts: S3Artifacts
    keeper: Keeper
    publisher: Publisher
    workers: list[Worker] = field(default_factory=list)
    _ends: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    async def submit(self, prompt: str = "nothing", deadline_s: float = 600, traceparent: str = "") -> str:
        """A new workflow's id; its event is on the bus."""
        workflow = str(ULID())
        self.follow(workflow)
        new = NewWorkflow(
            id=workflow,
            tenant=TENANT,
            submission=Submission(prompt=prompt),
            deadline_s=deadline_s,
            traceparent=traceparent,
        )
        submitted = await self.reads.submit(new, most=1000)
        await self.reads.published([await self.publisher.fact(event) for event in submitted.events])
        return workflow

    def follow(self, workflow: str) -> None:
        """Listen for the end of a workflow submitted elsewhere."""
        self._ends[workflow] = asyncio.get_running_loop().create_future()

    async def end(self, workflow: str, within_s: float = 30) -> str:
        """How the workflow ended, as the bus told it."""
        return await asyncio.wait_for(self._ends[workflow], within_s)

    async def heard(self, message: Msg) -> None:
        """A lifecycle event was republished."""
        parts = parse_event(message.subject.replace("ql.res.", "ql.evt.", 1))
        end = self._ends.get(parts.workflow)
        if parts.outcome != "submitted" and end is not None and not end.done():
            end.set_result(parts.outcome)

    def done(self, name: str) -> int:
        """A counter, summed over the workers."""
        return sum(worker.counts.done[name] for worker in self.workers)


@asynccontextmanager
async def pipeline(
    servers: Servers,
    topology: Topology,
    stages: Mapping[str, object] | None = None,
    *,
    workers: int = 1,
    sweeps: bool = True,
    store: type[PgDrops] = PgDrops,
    given: Mapping[type, object] | None = None,
    **changes: object,
) -> AsyncIterator[Pipeline]:
    """`workers` workers for every stage of the topology. `given` adapters serve their ports; `changes` are settings."""
    settings = servers.settings(**changes)
    async with AsyncExitStack() as opened:
        pool, gateway = await open_pool(servers.worker, 16), await open_pool(servers.gateway, 8)
        opened.push_async_callback(pool.close)
        opened.push_async_callback(gateway.close)
        made: list[Pipeline] = []
        nc = await _connected(servers, made)
        opened.push_async_callback(nc.close)
        drops, artifacts = store(pool, topology), S3Artifacts(servers.s3, servers.bucket)
        keeper = Keeper(nc, drops, topology, settings)
        await keeper.keep()
        reads = PgReads(gateway)
        running = Pipeline(servers, topology, nc, drops, reads, artifacts, keeper, Publisher(nc, reads))
        made.append(running)
        await nc.subscribe("ql.res.*.*.workflow.*.*", cb=running.heard)
        for _ in range(workers):
            worker = Worker(
                bind_all(topology, stages),
                topology,
                nc=nc,
                drops=drops,
                artifacts=artifacts,
                settings=settings,
                given=given,
                back_off=BackOff(least_s=0.05, most_s=0.2),
                sweeps=sweeps,
            )
            running.workers.append(worker)
            await worker.start()
            opened.push_async_callback(worker.stop)
        yield running


async def _connected(servers: Servers, made: Sequence[Pipeline]) -> Client:
    async def reconnected() -> None:
        for running in made:
            running.keeper.reconnected()
            for worker in running.workers:
                worker.reconnected()

    return await nats.connect(
        servers.nats, max_reconnect_attempts=-1, reconnect_time_wait=0.1, reconnected_cb=reconnected
    )


async def overhead(servers: Servers, *, stages: int = 14, in_flight: int = 1, workflows: int = 20) -> Overhead:
    """Run `workflows` no-op workflows, `in_flight` at a time, on empty servers; the first few only warm up."""
    async with pipeline(servers, topology_of(stages), slots=max(32, in_flight)) as running:
        for _ in range(3):
            await running.end(await running.submit())
        gate = asyncio.Semaphore(in_flight)

        async def one() -> float:
            async with gate:
                began = time.perf_counter()
                await running.end(await running.submit(), within_s=300)
                return time.perf_counter() - began

        began, cpu = time.perf_counter(), _cpu_s()
        took = await asyncio.gather(*(one() for _ in range(workflows)))
        elapsed, used = time.perf_counter() - began, _cpu_s() - cpu
        return Overhead(
            p50_ms=statistics.median(took) * 1000,
            workflows_per_s=workflows / elapsed,
            cpu_ms_per_workflow=used / workflows * 1000,
            wakes=running.done("wakes"),
        )


def _cpu_s() -> float:
    """CPU seconds of this process and its living descendants."""
    stats = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    family = {os.getpid()}
    while more := {pid for pid, stat in stats.items() if stat and int(stat[1]) in family} - family:
        family |= more
    ticks = sum(int(stat[11]) + int(stat[12]) for pid in family if (stat := stats.get(pid)))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: Path) -> Sequence[str]:
    """The fields after the command's name; empty for a process that has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ()
