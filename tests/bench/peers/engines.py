"""Each peer's servers and worker processes, started on loopback and stopped again; what to run as its closed loop."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import free_ports
from deploy.local.stack import Stack
from tests.bench.measure import tied
from tests.bench.peers.environments import Environment, Unavailable, redis_server, restate_server
from tests.servers import fresh_database

READY_S = 90.0
STOP_S = 15.0
ROOT = Path(__file__).parents[3]


class NeverReadyError(Exception):
    """A peer's server did not come up."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running peer; `kinds` are its own processes, which its CPU is counted of."""

    env: Environment
    module: str
    given: Mapping[str, object]
    kinds: frozenset[str]
    loops: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def commands(self, in_flight: int, warm_up: int, patience_s: float) -> list[list[str]]:
        """The closed loops: in-flight workflows are dealt out to them."""
        loops = min(self.loops, in_flight)
        made = []
        for number in range(loops):
            share = {"in_flight": in_flight // loops, "warm_up": max(1, warm_up // loops), "patience_s": patience_s}
            asked = {**share, **self.given, "executor": f"bench-{number}"}
            made.append([str(self.env.python), "-m", f"tests.bench.peers.{self.module}", json.dumps(asked)])
        return made


Start = Callable[[Environment, Path, Stack], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def dbos(env: Environment, folder: Path, stack: Stack) -> AsyncIterator[Engine]:
    """On our PostgreSQL, a database of its own; a process a core, each runs its own workflows."""
    async with fresh_database(stack) as database:
        given = {"database": database.admin}
        yield Engine(
            env=env,
            module="on_dbos",
            given=given,
            kinds=frozenset({"loop", "postgres"}),
            loops=2,
            environment=_environment(),
        )


@asynccontextmanager
async def celery(env: Environment, folder: Path, stack: Stack) -> AsyncIterator[Engine]:
    """Redis with its append-only file synced every second, as its documentation says; a worker of two processes."""
    (port,) = free_ports(1)
    binary, environment = redis_server(env)
    settings = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
    mine = _environment(BENCH_REDIS=f"redis://127.0.0.1:{port}/0")
    worker = [env.program("celery"), "-A", "tests.bench.peers.on_celery", "worker", "--concurrency", "2"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(
            _running([binary, *settings, "--appendfsync", "everysec"], environment, folder)
        )
        await _listening(port)
        await opened.enter_async_context(_running([*worker, *quiet], mine, folder))
        kinds = frozenset({"loop", "handlers", "redis"})
        yield Engine(env=env, module="on_celery", given={}, kinds=kinds, environment=mine)


@asynccontextmanager
async def prefect(env: Environment, folder: Path, stack: Stack) -> AsyncIterator[Engine]:
    """Its server on SQLite, its default: PostgreSQL it takes only with an extension that ours has not. Flows apart."""
    (port,) = free_ports(1)
    mine = _environment(
        PREFECT_HOME=str(folder),
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_SERVER_UI_ENABLED="false",
        PREFECT_LOGGING_TO_API_ENABLED="false",
        PREFECT_LOGGING_LEVEL="ERROR",
        DO_NOT_TRACK="1",
    )
    command = [env.program("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    async with _running(command, mine, folder):
        await _answering(f"http://127.0.0.1:{port}/api/health")
        kinds = frozenset({"loop", "prefect"})
        yield Engine(env=env, module="on_prefect", given={}, kinds=kinds, environment=mine)


@asynccontextmanager
async def restate(env: Environment, folder: Path, stack: Stack) -> AsyncIterator[Engine]:
    """Its server with one node; the handlers under hypercorn with a process a core."""
    node, ingress, admin, port = free_ports(4)
    mine = _environment(
        RESTATE_BASE_DIR=str(folder),
        RESTATE_LISTEN_MODE="tcp",
        RESTATE_BIND_IP="127.0.0.1",
        RESTATE_BIND_PORT=str(node),
        RESTATE_ADVERTISED_HOST="127.0.0.1",
        RESTATE_INGRESS__BIND_PORT=str(ingress),
        RESTATE_ADMIN__BIND_PORT=str(admin),
        RESTATE_DISABLE_TELEMETRY="true",
        RESTATE_LOG_FILTER="error",
    )
    serve = [env.program("hypercorn"), "--workers", "2", "--worker-class", "uvloop", "--bind", f"127.0.0.1:{port}"]
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(_running([restate_server(env), "--no-logo"], mine, folder))
        await opened.enter_async_context(_running([*serve, "tests.bench.peers.on_restate:app"], mine, folder))
        await _listening(port)
        await _answering(f"http://127.0.0.1:{admin}/health")
        deployment = json.dumps({"uri": f"http://127.0.0.1:{port}"}).encode()
        await _answering(f"http://127.0.0.1:{admin}/deployments", deployment)
        kinds = frozenset({"loop", "handlers", "restate"})
        yield Engine(env=env, module="on_restate", given={"port": ingress}, kinds=kinds, environment=mine)


ENGINES: Mapping[str, Start] = {"restate": restate, "dbos": dbos, "celery": celery, "prefect": prefect}


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


@asynccontextmanager
async def _running(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> AsyncIterator[None]:
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *tied(command),
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    except NeverReadyError as error:
        last = (log.read_text(errors="replace").strip().splitlines() or [""])[-1][:200]
        raise Unavailable(f"{log.stem}: it never answered; {last}") from error
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listening(port: int) -> None:
    async def connect() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await _until(connect)


async def _answering(url: str, body: bytes | None = None) -> None:
    def ask() -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310  # always http on loopback
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  # as above

    await _until(lambda: asyncio.to_thread(ask))


async def _until(attempt: Callable[[], Awaitable[None]]) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            return await attempt()
        except OSError:
            await asyncio.sleep(0.1)
    raise NeverReadyError
