"""The supervisor of our own processes, on real ones."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.processes import Processes
from tests.deploy.watching import gone

SAYS = "import os, time; print(os.getpid(), os.environ['WORD'], flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
DIES = "import sys; sys.exit('no such table')"
LAUNCHER = f"""
import asyncio, sys
from pathlib import Path
from deploy.local.processes import Processes

async def main():
    processes = Processes(Path(sys.argv[1]))
    await processes.start("child", [sys.executable, "-c", {SAYS!r}], {{"WORD": "x"}})
    print("started", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def _lines(file: Path, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while not file.exists() or len(file.read_text().splitlines()) < count:  # noqa: ASYNC110 - a file can't tell
            await asyncio.sleep(0.02)
    return file.read_text().splitlines()


async def test_a_process_gets_its_environment_and_is_started_again_when_it_dies(tmp_path: Path) -> None:
    processes = Processes(tmp_path / "logs")
    await processes.start("worker", [sys.executable, "-c", SAYS], {"WORD": "given"})
    first, word = (await _lines(tmp_path / "logs/worker.log", 1))[0].split()
    os.kill(int(first), 9)
    second = (await _lines(tmp_path / "logs/worker.log", 2))[1].split()[0]
    assert (word, processes.alive) == ("given", {"worker": True})
    assert first != second
    await processes.stop()
    assert processes.alive == {}
    assert await gone({int(first), int(second)}, 0.5)


async def test_a_process_that_dies_five_times_in_a_row_is_given_up_with_its_words(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    await processes.start("router", [sys.executable, "-c", DIES], {})
    failure = await asyncio.wait_for(processes.failure(), 20)
    assert str(failure).startswith("router died 5 times in a row, last with code 1;")
    assert "no such table" in str(failure)
    assert processes.alive == {"router": False}
    assert (tmp_path / "router.log").read_text().count("no such table") == 5
    await processes.stop()


async def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path, grace_s=0.3)
    await processes.start("deaf", [sys.executable, "-c", DEAF], {})
    await _lines(tmp_path / "deaf.log", 1)
    await asyncio.wait_for(processes.stop(), 5)
    assert processes.alive == {}


async def test_a_name_is_used_once_and_a_missing_program_is_told(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    await processes.start("one", [sys.executable, "-c", SAYS], {"WORD": ""})
    with pytest.raises(ValueError, match="one"):
        await processes.start("one", [sys.executable], {})
    await processes.start("absent", ["/no/such/program"], {})
    failure = await asyncio.wait_for(processes.failure(), 20)
    assert isinstance(failure, StackError)
    assert "/no/such/program" in str(failure)
    await processes.stop()


async def test_a_killed_launcher_takes_its_processes_along(tmp_path: Path) -> None:
    launcher = await asyncio.create_subprocess_exec(sys.executable, "-c", LAUNCHER, str(tmp_path), stdout=PIPE)
    child = int((await _lines(tmp_path / "child.log", 1))[0].split()[0])
    launcher.kill()
    await launcher.communicate()
    assert await gone({child})
