"""The health check of the containers, on real processes and servers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path

import nats

from deploy.local.ports import free_ports
from deploy.local.stack import NATS, Stack
from tests.servers import Database

ROOT = Path(__file__).parents[2]
PARTS = (("workers.keeper",), ("workers.llm_router",), ("workers.observers", "webhooks"))
WELL = (0, "")


async def asked(environ: Mapping[str, str], pid: int, *more: str) -> tuple[int | None, str]:
    argv = [sys.executable, "-m", "deploy.health", "QL_NATS_URL", "--pid", str(pid), *more]
    process = await asyncio.create_subprocess_exec(*argv, env=environ, cwd=ROOT, stderr=PIPE)
    try:
        _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, told.decode()


async def well(environ: Mapping[str, str], pid: int) -> None:
    async with asyncio.timeout(30):
        while await asked(environ, pid) != WELL:  # noqa: ASYNC110  # a process tells nobody
            await asyncio.sleep(0.1)


async def test_it_sees_whether_a_process_is_connected(nats_url: str) -> None:
    environ = {"PATH": os.defpath, "QL_NATS_URL": nats_url}
    assert await asked(environ, os.getpid()) == (1, "not connected: QL_NATS_URL\n")
    client = await nats.connect(nats_url)
    assert await asked(environ, os.getpid()) == WELL
    await client.close()
    assert await asked(environ, os.getpid()) == (1, "not connected: QL_NATS_URL\n")


async def test_it_sees_whether_a_process_does_anything(nats_url: str, database: Database) -> None:
    """A stopped one keeps its connections, and answers nothing."""

    async def lives_and_stops(part: tuple[str, ...], port: int) -> None:
        environ = {"PATH": os.defpath, "QL_NATS_URL": nats_url, "QL_DATABASE_URL": database.worker}
        environ["QL_HEALTH_PORT"] = str(port)
        argv = [sys.executable, "-m", *part]
        process = await asyncio.create_subprocess_exec(*argv, env=environ, cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL)
        try:
            await well(environ, process.pid)
            process.send_signal(signal.SIGSTOP)
            asking = asyncio.create_task(asked(environ, process.pid))
            answered, _ = await asyncio.wait([asking], timeout=1.5)  # it has none to wait for
            asking.cancel()
            assert not answered or asking.result()[0] == 1, part
            process.send_signal(signal.SIGCONT)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 20) == 0, part
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async with asyncio.TaskGroup() as group:
        for part, port in zip(PARTS, free_ports(len(PARTS)), strict=True):
            group.create_task(lives_and_stops(part, port))


async def test_it_sees_whether_nats_takes_events(tmp_path: Path) -> None:
    """A stopped server keeps its connections too."""
    async with Stack(tmp_path / "own", frozenset({NATS})) as own:
        environ = {"PATH": os.defpath, "QL_NATS_URL": own.urls.nats}
        client = await nats.connect(own.urls.nats)
        assert await asked(environ, os.getpid(), "--publish") == WELL
        os.kill(own.pid(NATS), signal.SIGSTOP)
        silent = (1, "NATS takes no events; start it again once its disk has room\n")
        assert await asked(environ, os.getpid(), "--publish") == silent
        os.kill(own.pid(NATS), signal.SIGCONT)
        await client.close()
