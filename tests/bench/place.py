"""Where a measurement takes place: a fresh database, bucket and NATS server, its streams, and worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import nats

from deploy.local.stack import NATS, Stack
from tests.bench.driver import Load
from tests.bench.fill import fill
from tests.bench.measure import ROUNDS_S, Measured, measured, tied
from tests.flow.noop import Servers, topology_of
from tests.servers import Database, fresh_bucket, fresh_database
from workers.keeper.keep import Keeper
from workers.kit.runner.process import HEALTH
from workers.kit.settings import Settings
from workers.kit.stores.pg import PgDrops, open_pool

STAGES = 12
STARTED_S = 30.0
STOPPED_S = 40.0
LEAST_WARM = 20


@dataclass(slots=True)
class Place:
    """Servers and the workers on them."""

    servers: Servers
    database: Database
    folder: Path
    stages: int
    settings: dict[str, object] = field(default_factory=dict)
    module: str = "tests.bench.worker"
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """What a process of ours reads its settings from."""
        urls = {
            "nats_url": self.servers.nats,
            "database_url": self.servers.worker,
            "s3_url": self.servers.s3,
            "s3_bucket": self.servers.bucket,
            "log_level": "error",
        }
        given = {f"QL_{name.upper()}": str(value) for name, value in (urls | self.settings).items()}
        return {name: value for name, value in os.environ.items() if not name.startswith("QL_")} | given

    def start(self, *steps: str, sleep_s: float = 0) -> subprocess.Popen[bytes]:
        """A worker process of the named steps, or of all."""
        command = [
            sys.executable,
            "-m",
            self.module,
            "--stages",
            str(self.stages),
            "--sleep",
            str(sleep_s),
            *steps,
        ]
        process = subprocess.Popen(tied(command), env=self.environment())
        self.workers.append(process)
        return process

    async def started(self) -> None:
        """Every worker answers."""
        nc = await nats.connect(self.servers.nats)
        try:
            heard = await nc.subscribe(inbox := nc.new_inbox())
            async with asyncio.timeout(STARTED_S):
                while True:
                    await nc.publish(HEALTH, b"", reply=inbox)
                    answers = [await _next(heard) for _ in self.workers]
                    if all(answers):
                        return
                    self._check()
                    while await _next(heard, 0.05):
                        pass
        finally:
            await nc.close()

    def _check(self) -> None:
        for process in self.workers:
            if process.poll() is not None:
                raise RuntimeError(f"a worker ended with {process.returncode}")

    async def drive(
        self,
        *,
        in_flight: int,
        seconds: float,
        ramp_s: float = 0,
        patience_s: float = 120,
        least_warm: int = LEAST_WARM,
        rounds_s: float = ROUNDS_S,
    ) -> Measured:
        """The closed loop, in its own process; the warm-up is a round of all that are in flight."""
        load = Load(
            nats=self.servers.nats,
            gateway=self.servers.gateway,
            in_flight=in_flight,
            warm_up=max(least_warm, in_flight),
            ramp_s=ramp_s,
            patience_s=patience_s,
            tenant_active=Settings.model_validate(self.settings).tenant_active,
        )
        command = [sys.executable, "-m", "tests.bench.driver", msgspec.json.encode(load).decode()]
        return await measured([command], seconds=seconds, rounds_s=rounds_s)

    def stop(self) -> None:
        """All workers, as an operator would."""
        for process in self.workers:
            process.send_signal(signal.SIGTERM)
        for process in self.workers:
            try:
                process.wait(STOPPED_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.workers.clear()


async def _next(heard: object, within_s: float = 0.5) -> bytes:
    try:
        return (await heard.next_msg(timeout=within_s)).data  # type: ignore[attr-defined,no-any-return]
    except (TimeoutError, nats.errors.TimeoutError):
        return b""


@asynccontextmanager
async def place(stack: Stack, *, stages: int = STAGES, finished: int = 0, **settings: object) -> AsyncIterator[Place]:
    """Fresh servers, their streams made, `finished` workflows in the tables; `settings` are the workers'."""
    folder = Path(mkdtemp(dir=stack.data.parent, prefix="place-"))
    async with (
        fresh_database(stack) as database,
        fresh_bucket(stack) as bucket,
        Stack(folder / "nats", frozenset({NATS})) as own,
    ):
        servers = Servers(
            nats=own.urls.nats, worker=database.worker, gateway=database.gateway, s3=stack.urls.s3, bucket=bucket
        )
        made = Place(servers, database, folder, stages, settings)
        if finished:
            await fill(database.admin, finished, stages)
        await _provision(servers, stages, servers.settings(**settings))
        try:
            yield made
        finally:
            await asyncio.to_thread(made.stop)


async def _provision(servers: Servers, stages: int, settings: Settings) -> None:
    topology = topology_of(stages)
    pool = await open_pool(servers.worker, 2)
    nc = await nats.connect(servers.nats)
    try:
        await Keeper(nc, PgDrops(pool, topology), topology, settings).keep()
    finally:
        await nc.close()
        await pool.close()
