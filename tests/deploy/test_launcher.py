"""`python -m deploy.local` as a process: what it prints, how it ends, and that nothing outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import asyncpg
import pytest

from deploy.local.stack import Stack
from tests.deploy.watching import gone, holders

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'deploy.local', sys.argv[1]])"


async def _launch(*argv: str) -> tuple[Process, dict[str, str]]:
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=PIPE, stderr=PIPE)
    assert process.stdout
    return process, json.loads(await asyncio.wait_for(process.stdout.readline(), 30))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_it_prints_urls_that_work_and_ends_when_told(folder: Path, name: str) -> None:
    launcher, urls = await _launch("-m", "deploy.local", str(folder))
    connection = await asyncpg.connect(urls["database"])
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    servers = holders(folder / "lock")
    assert len(servers) >= 4  # the launcher and its three, with PostgreSQL's own children
    launcher.send_signal(signal.Signals[name])
    assert await asyncio.wait_for(launcher.wait(), 10) == 0
    assert not holders(folder / "lock")


async def test_a_killed_launcher_takes_its_servers_along_and_the_next_start_works(folder: Path) -> None:
    launcher, urls = await _launch("-m", "deploy.local", str(folder))
    connection = await asyncpg.connect(urls["database"])
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    await connection.close()
    servers = holders(folder / "lock")
    launcher.kill()
    await launcher.wait()
    async with Stack(folder) as stack:  # at once: it waits for the last of them by itself
        assert not [pid for pid in servers if pid in holders(folder / "lock")]
        connection = await asyncpg.connect(stack.urls.database)
        assert await connection.fetchval("SELECT one FROM kept") == 1
        await connection.close()
    assert await gone(servers)


async def test_it_ends_with_its_parent(folder: Path) -> None:
    parent, _ = await _launch("-c", PARENT, str(folder))
    servers = holders(folder / "lock")
    parent.kill()
    await parent.wait()
    assert await gone(servers)


async def test_a_second_launcher_says_who_was_first(stack: Stack) -> None:
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.local", str(stack.data), stdout=PIPE, stderr=PIPE
    )
    out, err = await asyncio.wait_for(second.communicate(), 20)
    assert (second.returncode, out) == (1, b"")
    assert b"is taken by process" in err
    assert err.count(b"\n") == 1


async def test_a_server_that_dies_and_can_t_be_started_again_ends_it(folder: Path) -> None:
    launcher, _ = await _launch("-m", "deploy.local", str(folder))
    (folder / "postgres/global/pg_control").write_bytes(b"damaged")
    os.kill(int((folder / "postgres/postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
    _, err = await asyncio.wait_for(launcher.communicate(), 30)
    assert launcher.returncode == 1
    assert b"PostgreSQL ended with code -9" in err
    assert b"pg_control" in err.splitlines()[-1]
