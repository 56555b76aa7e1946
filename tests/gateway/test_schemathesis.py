"""Schemathesis against the live gateway: what it answers is what its OpenAPI document says."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from tests.gateway.conftest import Served, router
from tests.servers import Database
from workers.keeper.subscriptions import serve

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).parent / "schemathesis"
SHOWN = 10_000


@pytest.mark.timeout(400)
async def test_nothing_is_answered_that_the_document_does_not_say(
    served: Served, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a keeper and a router, so that every operation can be done; and pings at once, since of a stream of events
    Schemathesis waits for the first thing to be told."""
    monkeypatch.setattr("gateway.following.PING_S", 0.1)
    await serve(served.nc)
    argv = [str(PROGRAM), "--config-file", str(HERE / "schemathesis.toml"), "run", f"{served.url}/openapi.json"]
    env = {**os.environ, "PYTHONPATH": str(HERE), "NO_COLOR": "1"}
    async with router(served, database):
        process = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=STDOUT, cwd=tmp_path, env=env)
        said, _ = await process.communicate()
    told = said.decode()
    assert process.returncode == 0, told[:SHOWN] + told[-SHOWN:]
    assert f"Tested: {len(served.app.state.routes)}" in told
