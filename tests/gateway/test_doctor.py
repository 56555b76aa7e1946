"""What `ql doctor` says of servers that are away, refuse or stand still: a line, never a traceback."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from deploy.local.stack import NATS, Stack
from gateway.cli.doctor import Check, durability
from tests.servers import Database, said_to_be
from workers.kit.settings import Settings


async def checks(settings: Settings) -> list[Check]:
    """In a thread, as the command has a loop of its own."""
    return await asyncio.to_thread(durability, settings)


async def test_servers_in_order_are_each_a_line(nats_url: str, database: Database) -> None:
    found = await checks(Settings(nats_url=nats_url, database_url=database.worker))
    assert [(check.name, check.ok) for check in found] == [
        ("nats power cut", True),
        ("postgresql power cut", True),
        ("s3 power cut", True),
    ]
    told = "sync_interval 1s: a power cut may take the events of the last 1 s; they are published again from PostgreSQL"
    assert found[0].found.startswith(told)


async def test_a_nats_that_is_too_old_is_a_line(nats_url: str, database: Database) -> None:
    async with said_to_be(nats_url, "2.11.9") as url:
        line, *others = await checks(Settings(nats_url=url, database_url=database.worker))
    assert (line.name, line.ok) == ("nats version", False)
    assert line.found.startswith("the NATS server is version 2.11, ")
    assert all(other.ok for other in others)


async def test_a_nats_that_stands_still_is_a_line(tmp_path: Path, database: Database) -> None:
    async with Stack(tmp_path / "own", frozenset({NATS})) as own:
        os.kill(own.pid(NATS), signal.SIGSTOP)
        (line,) = await checks(Settings(nats_url=own.urls.nats, database_url=database.worker))
    assert (line.name, line.ok) == ("power cut", False)
    assert line.found.startswith("NATS does not answer: ")


async def test_a_postgresql_that_refuses_is_a_line(nats_url: str, database: Database) -> None:
    settings = Settings(nats_url=nats_url, database_url=database.worker.replace("ql_worker:", "ql_worker:not-"))
    (line,) = await checks(settings)
    assert (line.name, line.ok) == ("power cut", False)
    assert line.found.startswith("PostgreSQL refuses: password authentication failed")


async def test_the_embedded_database_is_asked_as_the_worker(stack: Stack) -> None:
    assert stack.urls.worker == stack.database_for("ql_worker")
    found = await checks(Settings(data=stack.data))
    assert [check.ok for check in found] == [True, True, True]
