"""Every attack of the list, for real; and that the list can tell a host from a sandbox."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from workers.kit.sandbox import Bubblewrap, programs
from workers.kit.sandbox.__main__ import verdicts
from workers.kit.sandbox.attacks import Verdict, attacks

NAMES = [attack.name for attack in attacks(host_port=1, host_secret="", host_file="")]


@pytest_asyncio.fixture(scope="module")
async def seen(sandbox: Bubblewrap) -> dict[str, Verdict]:
    return {verdict.attack: verdict async for verdict in verdicts(sandbox)}


@pytest.mark.parametrize("name", NAMES)
async def test_the_sandbox_holds(name: str, seen: dict[str, Verdict]) -> None:
    assert seen[name].held, seen[name].seen


async def test_no_attack_is_left_out(seen: dict[str, Verdict]) -> None:
    assert list(seen) == NAMES
    assert len(NAMES) == len(set(NAMES)) >= 40


@pytest.mark.parametrize(
    "name",
    ["reach the host's loopback", "read a file of the host", "find the host's environment", "see the host's processes"],
)
async def test_without_a_sandbox_the_same_program_breaks_out(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("anything")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    program = programs.PRELUDE + programs.refusals(port, "a-secret-of-the-host", str(kept))[name]
    argv = [sys.executable, "-c", program]
    run = await asyncio.to_thread(
        subprocess.run, argv, capture_output=True, text=True, check=False, env={"SECRET": "a-secret-of-the-host"}
    )
    server.close()
    await server.wait_closed()
    assert "BROKE" in run.stdout.split(), (run.stdout, run.stderr)
