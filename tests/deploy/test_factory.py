"""The whole factory by `ql up`: what it says when it can't start, or loses a part of itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from deploy.local.errors import StackError
from deploy.local.factory import FACTORY_FILE, Factory, Running, running
from deploy.local.paths import make_folder
from deploy.local.stack import Stack
from tests.deploy.watching import gone, holders
from tests.servers import Database
from workers.kit.settings import Settings

PLANTED = "sk-planted-5a4b3c2d1e"
QL = str(Path(sys.executable).parent / "ql")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    return {**os.environ, "QL_DATA": str(folder), "QL_HTTP_PORT": "0", "QL_GATEWAY_URL": "", **settings}


def refused(folder: Path, **settings: str) -> str:
    ended = subprocess.run(
        [QL, "up"], env=environment(folder, **settings), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_port_that_another_has_is_refused_before_any_server_starts(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = refused(folder, QL_HTTP_PORT=port)
    assert port in said
    assert "QL_HTTP_PORT" in said
    assert not (folder / "postgres").exists()


def test_a_store_that_does_not_answer_is_told_in_a_sentence(folder: Path) -> None:
    assert "Connection refused" in refused(folder, QL_S3_URL="http://key:secret@127.0.0.1:9")


def test_another_database_must_be_named_for_both_roles(folder: Path) -> None:
    said = refused(folder, QL_DATABASE_URL="postgresql://ql_worker:pw@127.0.0.1:9/ql")
    assert "QL_GATEWAY_DATABASE_URL" in said
    assert not (folder / "nats").exists()


async def test_every_server_can_be_somebody_else_s(
    stack: Stack, database: Database, bucket: str, nats_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QL_S3_BUCKET", bucket)
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    settings = Settings(
        data=folder,
        nats_url=nats_url,
        database_url=database.worker,
        gateway_database_url=database.gateway,
        owner_database_url=database.owner,
        s3_url=stack.urls.s3,
        s3_bucket=bucket,
    )
    async with Factory(settings, port=0) as factory, httpx.AsyncClient(base_url=factory.url) as http:
        told = {name: _environment(factory.processes.pid(name)) for name in factory.processes.alive}
        assert [name for name, given in told.items() if PLANTED in given] == ["llm_router"]
        submitted = await http.post("/v1/workflows", json={"prompt": "write me a poem"})
        workflow = submitted.json()["address"]
        async with asyncio.timeout(30):
            while (await http.get(workflow)).json()["state"] == "active":  # noqa: ASYNC110  polled as a client would
                await asyncio.sleep(0.1)
        assert "REST API" in (await http.get(workflow)).json()["error"]
    assert not (folder / "postgres").exists()


def test_a_record_that_a_killed_factory_left_is_not_believed(folder: Path) -> None:
    make_folder(folder)
    (folder / FACTORY_FILE).write_bytes(msgspec.json.encode(Running(pid=os.getpid(), url="http://127.0.0.1:9")))
    (folder / "lock").write_text(str(os.getpid()))
    assert running(Settings(data=folder)) is None


async def test_each_of_our_processes_may_be_killed_again_and_again_and_none_is_left_at_the_end(folder: Path) -> None:
    async with Factory(Settings(data=folder), port=0) as factory:
        seen: set[int] = set()
        for name in ("keeper", "llm_router", "workers", "learning", "gateway") * 2:
            pid = factory.processes.pid(name)
            os.kill(pid, signal.SIGKILL)
            seen.add(pid)
            async with asyncio.timeout(15):
                while factory.processes.pid(name) in {0, pid}:  # noqa: ASYNC110  a process can't tell
                    await asyncio.sleep(0.05)
        async with asyncio.timeout(30), httpx.AsyncClient(base_url=factory.url) as http:
            workflow = await _submitted(http)
            while (await http.get(workflow)).json()["state"] == "active":  # noqa: ASYNC110  polled as a client would
                await asyncio.sleep(0.1)
        seen |= {factory.processes.pid(name) for name in factory.processes.alive} | holders(folder / "lock")
    assert await gone(seen - {os.getpid()})


def _environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode()


async def test_models_that_can_t_be_reached_are_told_before_anything_is_started(folder: Path) -> None:
    with pytest.raises(StackError, match=r"openai/x needs OPENAI_API_KEY: set it, or OPENAI_API_KEY_FILE"):
        async with Factory(Settings(data=folder, models="openai/x"), port=0):
            pass
    assert not folder.exists()


async def _submitted(http: httpx.AsyncClient) -> str:
    """The workflow's address, once the gateway is up again."""
    while True:
        try:
            answer = await http.post("/v1/workflows", json={"prompt": "write me a poem"})
            return str(answer.raise_for_status().json()["address"])
        except httpx.HTTPError:
            await asyncio.sleep(0.1)


def test_a_factory_whose_server_can_t_be_started_again_ends_and_says_which(folder: Path) -> None:
    """And its NATS has what was set."""
    given = environment(folder, QL_NATS_SYNC="always")
    up = subprocess.Popen([QL, "up"], env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert up.stdout is not None
        assert up.stdout.readline().startswith("http://127.0.0.1:")
        assert "sync_interval always" in _said(folder / "logs/keeper.log", "durability")
        (folder / "postgres/global/pg_control").write_bytes(b"damaged")
        os.kill(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        said = up.communicate(timeout=45)[1]
    finally:
        up.kill()
        up.wait()
    assert up.returncode == 1
    assert "PostgreSQL ended with code -9" in said
    assert "pg_control" in said
    assert not (folder / "factory.json").exists()


def _said(log: Path, event: str) -> str:
    """The log's first line of that event, once it is there."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
            if f'"event": "{event}"' in line:
                return line
        time.sleep(0.05)
    raise AssertionError(f"{log.name} never tells of {event}")
