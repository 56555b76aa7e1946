"""A worker as a process of its own: killed, stopped, weighed."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest

from contracts import subjects
from deploy.local.ports import free_ports
from tests.flow.noop import TENANT, Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES
from tests.kit.runner.test_pull import server
from workers.kit.runner.process import HEALTH, Health

MIB = 1 << 20


SLOW = "tests.kit.runner.slow_worker"


@asynccontextmanager
async def worker(
    servers: Servers, *arguments: object, module: str = SLOW, otlp_url: str = "", **settings: float
) -> AsyncIterator[Process]:
    given = servers.settings(otlp_url=otlp_url, **settings).model_dump(exclude_defaults=True, exclude_none=True)
    environ = {f"QL_{name.upper()}": str(value) for name, value in given.items()}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        *command, env=environ | {"PATH": os.defpath}, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()


async def test_another_worker_finishes_after_a_kill(servers: Servers) -> None:
    quick: dict[str, Any] = {"heartbeat_s": 0.2, "lease_s": 1.0, "ack_wait_s": 1.0}
    async with pipeline(servers, SMALL, workers=0, ack_wait_s=1.0) as running:
        workflow = await running.submit("p")
        async with worker(servers, 60, **quick) as process:
            assert await line(process) == "checking"
            process.kill()
            await process.wait()
    async with pipeline(servers, SMALL, STAGES, sweep_s=0.2, ack_wait_s=1.0, lease_s=1.0) as running:
        running.follow(workflow)
        assert await running.end(workflow) == "completed"
        (row,) = [row for row in await running.reads.drops(TENANT, workflow) if row.stage == "check"]
        assert row.attempts == 2


async def test_sigterm_finishes_what_runs(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running, worker(servers, 1) as process:
        workflow = await running.submit("p")
        assert await line(process) == "checking"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        states = {row.stage: row.state for row in await running.reads.drops(TENANT, workflow)}
        assert states["check"] == "completed"


async def test_sigterm_hands_back_what_would_take_too_long(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running, worker(servers, 60, grace_s=1.5) as process:
        workflow = await running.submit("p")
        assert await line(process) == "checking"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        (row,) = [row for row in await running.reads.drops(TENANT, workflow) if row.stage == "check"]
        assert (row.state, row.attempts) == ("retry", 0)
        info = await running.nc.jetstream().consumer_info(subjects.STREAM, "check")
        assert (info.num_pending or 0) + (info.num_ack_pending or 0) == 1


async def test_sigterm_hands_back_also_while_the_bus_is_away(servers: Servers, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    async with AsyncExitStack() as opened:
        async with server(port, tmp_path):
            elsewhere = dataclasses.replace(servers, nats=f"nats://127.0.0.1:{port}")
            async with pipeline(elsewhere, SMALL, workers=0) as running:
                process = await opened.enter_async_context(worker(elsewhere, 60, grace_s=1.5))
                workflow = await running.submit("p")
                assert await line(process) == "checking"
        process.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, told.decode()
    async with pipeline(servers, SMALL, workers=0) as running:
        (row,) = [row for row in await running.reads.drops(TENANT, workflow) if row.stage == "check"]
        assert (row.state, row.attempts) == ("retry", 0)


async def test_what_does_not_stop_is_cut_off_when_the_grace_time_is_over(servers: Servers) -> None:
    """Work that hears of no cancellation, in a process that else would wait for it for a minute."""
    async with pipeline(servers, SMALL, workers=0) as running, worker(servers, 60, "deaf", grace_s=1) as process:
        workflow = await running.submit("p")
        assert await line(process) == "checking"
        process.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, b"worker.cut_off" in told) == (1, True)
        states = {row.stage: row.state for row in await running.reads.drops(TENANT, workflow)}
        assert states == {"draft": "completed", "check": "running", "side": "completed"}


@pytest.mark.parametrize("listening", [True, False], ids=["silent", "closed"])
async def test_a_collector_that_does_not_answer_cuts_no_worker_off(servers: Servers, listening: bool) -> None:
    """What stopped in order is left alone by its grace time, and what a collector would have heard is given up soon."""
    with socket.socket() as collector:
        collector.bind(("127.0.0.1", 0))
        if listening:
            collector.listen()
        url = f"http://127.0.0.1:{collector.getsockname()[1]}"
        async with (
            pipeline(servers, SMALL, workers=0) as running,
            worker(servers, 0, otlp_url=url, grace_s=1) as process,
        ):
            workflow = await running.submit("p")
            assert await running.end(workflow) == "completed"
            process.send_signal(signal.SIGTERM)
            _, told = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, b"worker.cut_off" in told) == (0, False), told.decode()
    assert b"export" in told  # it did try


async def test_a_nudge_stops_a_worker_process_long_before_its_next_beat(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running, worker(servers, 60, heartbeat_s=600) as process:
        workflow = await running.submit("p")
        assert await line(process) == "checking"
        await running.reads.cancel(TENANT, workflow, reason="enough")
        await running.nc.publish("ql.ctl.default.no~workflow.cancel")  # anybody may send this
        await running.nc.publish(subjects.cancel(TENANT, workflow))
        async with asyncio.timeout(20):
            while not (await ask(servers)).done.get("stopped"):  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.05)


async def test_a_rolling_restart_under_load_needs_no_lease_to_expire(servers: Servers) -> None:
    """Every message must be handed on, not just left: nothing comes again by itself before 30 s, and nobody sweeps."""
    async with pipeline(servers, SMALL, workers=0) as running, AsyncExitStack() as opened:

        async def fresh() -> Process:
            return await opened.enter_async_context(worker(servers, 0.02, sweep_s=600, slots=4))

        workflows = [await running.submit(f"p{n}") for n in range(80)]
        for old in [await fresh() for _ in range(2)]:
            assert await line(old) == "checking"
            await fresh()
            old.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(old.wait(), 20) == 0
        async with asyncio.timeout(28):
            ends = await asyncio.gather(*(running.end(workflow) for workflow in workflows))
        assert ends == ["completed"] * len(workflows)
        for workflow in workflows:
            assert {row.attempts for row in await running.reads.drops(TENANT, workflow)} == {1}


@pytest.mark.parametrize("stage", ["code_generation", "security_scanning"])
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
async def test_a_worker_is_light_and_says_how_it_is(servers: Servers, stage: str) -> None:
    async with worker(servers, stage, module="workers") as process:
        health = await ask(servers)
        assert health.stages == (stage,)
        assert resident(process.pid) < 90 * MIB
        assert cpu_s(process.pid) < 1.2


async def test_a_worker_that_lacks_a_setting_says_which(servers: Servers) -> None:
    async with worker(servers, "dependency_resolution", module="workers") as process:
        _, told = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 2
        assert b"QL_DATA is not set" in told


async def ask(servers: Servers) -> Health:
    nc = await nats.connect(servers.nats)
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    return msgspec.json.decode((await nc.request(HEALTH, timeout=1)).data, type=Health)
                except nats.errors.Error:
                    await asyncio.sleep(0.05)
    finally:
        await nc.close()


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
