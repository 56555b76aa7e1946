"""One factory to be broken: three servers, a keeper, a router and workers, all real processes; and a gateway's hands.

Settings are short, so that leases and redeliveries pass within a case.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import nats
from nats.aio.client import Client
from ulid import ULID

from contracts import subjects
from contracts.artifacts import Submission
from contracts.subjects import STREAM
from deploy.local.paths import make_folder
from deploy.local.server import Command, Server, spawn
from deploy.local.stack import ALL, Stack
from tests.chaos.graph import Plan
from tests.chaos.router import CALLS
from workers.kit.runner.api import find
from workers.kit.runner.process import HEALTH
from workers.kit.runner.publish import Publisher
from workers.kit.stores.buckets import ensure_bucket
from workers.kit.stores.drops import NewWorkflow, StoredEvent
from workers.kit.stores.migrate import migrate
from workers.kit.stores.pg import PgReads, Pool, open_pool

TENANT = "default"
BUCKET = "chaos"
ACK_WAIT_S, LEASE_S, HEARTBEAT_S, SWEEP_S = 2.0, 3.0, 0.7, 0.3
START_S = 60.0
"""A process may take so long to come up: no verdict hangs on it, and the machine may have other things to do."""

REPOSITORY = Path(__file__).parents[2]
TERMINAL = ("completed", "failed", "cancelled", "expired")


class Child:
    """A process of ours; one that dies is started again at once, until it is stopped."""

    def __init__(self, command: Command, *, ordinary: bool) -> None:
        self.command = command
        self.ordinary = ordinary
        self.deaths = 0
        self._server: Server | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> Child:
        self._server = await spawn(self.command)
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def _keep(self) -> None:
        while self._server is not None:
            await self._server.wait()
            self.deaths += 1
            await asyncio.sleep(0.05)
            self._server = await spawn(self.command)

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.process.pid

    @property
    def alive(self) -> bool:
        return self._server is not None and self._server.alive

    def send(self, name: signal.Signals) -> None:
        """A signal, if the process is there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, name)

    async def stop(self) -> None:
        """SIGTERM, and no new life."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._server is not None:
            await self._server.stop()


class World:
    """Made by `world`."""

    def __init__(self, stack: Stack, folder: Path, gateway: Pool, said: Sequence[str] = ()) -> None:
        self.stack = stack
        self._said = said
        self.folder = folder
        self.workers: list[Child] = []
        self.router: Child | None = None
        self.keeper: Child | None = None
        self._reads = PgReads(gateway)
        self._nc: Client | None = None
        self._count = 0

    @property
    def urls(self) -> Mapping[str, str]:
        """Where the servers are, as settings."""
        urls = self.stack.urls
        return {"nats": urls.nats, "database": self.stack.database_for("ql_worker"), "s3": urls.s3}

    @property
    def admin(self) -> str:
        """PostgreSQL as its superuser, in the factory's database."""
        return self.stack.urls.database

    @property
    def reads(self) -> PgReads:
        """The gateway's store."""
        return self._reads

    def told_of_itself(self, most: int = 30) -> list[str]:
        """What the stack said, such as that it started a server again, and the last words of each process."""
        logs = sorted((self.folder / "logs").glob("*.log"))
        lines = [f"{log.stem}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()[-most:]]
        return [*(f"stack: {sentence}" for sentence in self._said), *lines]

    def number(self) -> int:
        """One that was not given before."""
        self._count += 1
        return self._count

    async def spawn(self, part: str, env: Mapping[str, str] | None = None, *, code: Path = REPOSITORY) -> Child:
        """A process `part` of tests.chaos.worker, in the checkout `code`; `env` adds to its environment."""
        number = self.number()
        command = Command(
            name=f"{part}-{number}",
            argv=(sys.executable, "-m", "tests.chaos.worker", part),
            cwd=code,
            log=make_folder(self.folder / "logs") / f"{part}-{number}.log",
            env=self._environment() | dict(env or {}),
            patience_s=15.0,
        )
        return await Child(command, ordinary=not env and code == REPOSITORY).start()

    def _environment(self) -> dict[str, str]:
        urls = self.urls
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "QL_NATS_URL": urls["nats"],
            "QL_DATABASE_URL": urls["database"],
            "QL_S3_URL": urls["s3"],
            "QL_S3_BUCKET": BUCKET,
            "QL_DATA": str(self.folder),
            "QL_ACK_WAIT_S": str(ACK_WAIT_S),
            "QL_LEASE_S": str(LEASE_S),
            "QL_HEARTBEAT_S": str(HEARTBEAT_S),
            "QL_SWEEP_S": str(SWEEP_S),
            "QL_LLM_SILENCE_S": "4",
            "QL_GRACE_S": "10",
            "QL_LOG_LEVEL": "warning",
        }

    async def work(
        self, count: int = 1, env: Mapping[str, str] | None = None, *, code: Path = REPOSITORY
    ) -> list[Child]:
        """More workers."""
        born = [await self.spawn("work", env, code=code) for _ in range(count)]
        self.workers += born
        return born

    async def staff(self, count: int) -> list[Child]:
        """Exactly so many ordinary workers; those that are there already go on."""
        there = [worker for worker in self.workers if worker.alive and worker.ordinary]
        keep, go = there[:count], [worker for worker in self.workers if worker not in there[:count]]
        self.workers = keep
        await asyncio.gather(*(worker.stop() for worker in go))
        if len(keep) < count:
            await self.work(count - len(keep))
            await self.present(count)
        return self.workers

    async def present(self, count: int) -> None:
        """Wait until so many workers answer."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if len(await self.told()) >= count:
                return
        raise TimeoutError(f"{count} workers did not come up; see {self.folder / 'logs'}")

    async def told(self, within_s: float = 0.15) -> list[Mapping[str, int]]:
        """What each worker that answers has done so far, by name."""
        async with self.connected() as nc:
            inbox = nc.new_inbox()
            answers = await nc.subscribe(inbox)
            await nc.publish(HEALTH, b"", reply=inbox)
            await asyncio.sleep(within_s)
            found = [(await answers.next_msg()).data for _ in range(answers.pending_msgs)]
        return [msgspec.json.decode(data)["done"] for data in found if data]  # empty: nobody is there

    async def rest(self) -> None:
        """Stop every worker."""
        workers, self.workers = self.workers, []
        await asyncio.gather(*(worker.stop() for worker in workers))

    async def route(self, env: Mapping[str, str] | None = None) -> None:
        """A router, in the place of the one that was there."""
        if self.router is not None:
            await self.router.stop()
        self.router = await self.spawn("route", env)
        await self.routed()

    async def routed(self) -> None:
        """Wait until a router answers."""
        async with self.connected() as nc:
            until = time.monotonic() + START_S
            while time.monotonic() < until:
                with contextlib.suppress(nats.errors.Error):
                    await nc.request("ql.svc.llm.models", b"", timeout=1)
                    return
                await asyncio.sleep(0.05)
        raise TimeoutError("no router answers")

    async def outage(self, name: str, seconds: float, *, wipe: bool = False) -> None:
        """kill -9 of a server, and a start on the same port and data; `wipe` removes NATS's store in between.

        Raises where there was no stream to wipe, or where it is still there.
        """
        wiped = await self._created(within_s=START_S) if wipe else ""
        await self.stack.stop(name, kill=True)
        if wipe:
            self.stack.wipe_nats()
        await asyncio.sleep(seconds)
        await self.stack.start(name)
        if wipe and await self._created() == wiped:
            raise AssertionError(f"NATS's store was not wiped: its stream is the one of {wiped} still")

    async def _created(self, within_s: float = 0) -> str:
        """When the event stream was made; "" where there is none, though it may take a while to be there."""
        until = time.monotonic() + within_s
        async with self.connected() as nc:
            while (info := await find(nc, f"STREAM.INFO.{STREAM}")) is None:
                if time.monotonic() >= until:
                    if within_s:
                        raise TimeoutError("nobody made the event stream")
                    return ""
                await asyncio.sleep(0.05)
        created: str = info["created"]
        return created

    async def submit(
        self, plan: Plan | None = None, *, deadline_s: float = 600, tenant: str = TENANT, most: int = 1000
    ) -> str:
        """A new workflow's id. Its event is published as the gateway does it: once, and else it waits for a relay."""
        workflow = str(ULID())
        new = NewWorkflow(
            id=workflow, tenant=tenant, submission=Submission(prompt=(plan or Plan()).prompt), deadline_s=deadline_s
        )
        submitted = await self._reads.submit(new, most=most)
        await self.publish(submitted.events)
        return workflow

    async def cancel(self, workflow: str) -> bool:
        """As the gateway cancels: the row, its event, the nudge; whether it was done."""
        answer = await self._reads.cancel(TENANT, workflow, reason="chaos")
        assert answer is not None
        await self.publish(answer.events)
        await (await self._client()).publish(subjects.cancel(TENANT, workflow))
        return answer.done

    async def publish(self, events: Sequence[StoredEvent]) -> None:
        """As the gateway: what can't be published now waits for the workers' relay."""
        with contextlib.suppress(Exception):
            publisher = Publisher(await self._client(), self._reads)
            await self._reads.published([await publisher.fact(event) for event in events])

    async def _client(self) -> Client:
        if self._nc is None:
            self._nc = await _connect(self.urls["nats"])
        return self._nc

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """A connection to the bus for a while."""
        nc = await _connect(self.urls["nats"])
        try:
            yield nc
        finally:
            await nc.close()

    @asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        """PostgreSQL as superuser for a while."""
        connection = await asyncpg.connect(self.admin)
        try:
            yield connection
        finally:
            await connection.close()

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """What a statement finds."""
        async with self.sql() as connection:
            found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return found

    async def ended(self, workflows: Collection[str], within_s: float = 40) -> float:
        """Wait until all are in a terminal state and quiet (published, nothing open), or time is up; seconds taken."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if (await self.fetch(_BUSY, list(workflows), list(TERMINAL)))[0]["busy"] == 0:
                    break
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def until(self, statement: str, *arguments: object, within_s: float = 20) -> bool:
        """Wait until a row of the statement begins with something true."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if any(row[0] for row in await self.fetch(statement, *arguments)):
                    return True
            await asyncio.sleep(0.02)
        return False

    def calls(self) -> list[tuple[str, str, int]]:
        """Every call of the model so far: (workflow, stage, revision)."""
        try:
            lines = (self.folder / CALLS).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(workflow, stage, int(revision)) for workflow, stage, revision in map(str.split, lines)]

    async def mend(self) -> None:
        """After a case that went wrong: every server up, nobody left over from it."""
        for name in sorted(ALL):
            await self.stack.start(name)
        await self.rest()
        await self.route()

    async def close(self) -> None:
        """Stop the processes; the servers are their owner's."""
        await self.rest()
        for child in (self.router, self.keeper):
            if child is not None:
                await child.stop()
        if self._nc is not None:
            await self._nc.close()


_BUSY = """
    SELECT (SELECT count(*) FROM workflows w WHERE w.id = ANY($1) AND w.state <> ALL($2))
        + (SELECT count(*) FROM events e WHERE e.workflow_id = ANY($1) AND e.published_seq IS NULL)
        + (SELECT count(*) FROM drops d WHERE d.workflow_id = ANY($1) AND d.state IN ('running', 'retry')) AS busy
"""


async def _connect(url: str) -> Client:
    async def failed(_: Exception) -> None:
        """Faults are made on purpose here."""

    return await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=failed)


@asynccontextmanager
async def world(folder: Path, *, workers: int = 0) -> AsyncIterator[World]:
    """A factory in `folder`, with a keeper and a router, and `workers` workers."""
    said: list[str] = []
    async with Stack(folder / "stack", said=said.append) as stack:
        await migrate(stack.database_for("ql_owner"))
        await ensure_bucket(stack.urls.s3, BUCKET)
        pool = await open_pool(stack.database_for("ql_gateway"), 8)
        made = World(stack, folder, pool, said)
        try:
            made.keeper = await made.spawn("keep")
            await made.work(workers)
            await made.route()
            yield made
        finally:
            await made.close()
            await pool.close()
