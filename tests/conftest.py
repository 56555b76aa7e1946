"""Real servers for every test: one embedded stack a run; a database, a bucket and a NATS server a test that asks."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.local.paths import data_home, make_folder
from deploy.local.stack import NATS, Stack
from tests.scheduling import Scheduling, longest_first

if TYPE_CHECKING:
    from tests.servers import Database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


@pytest.hookimpl(optionalhook=True)  # without -n there is nobody who asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def reachable() -> Iterator[Path]:
    """A folder below the data home: PostgreSQL's uid can't enter pytest's own when we are root."""
    from tests.servers import remove_orphans

    remove_orphans(data_home())
    folder = make_folder(data_home() / f"tests-{os.getpid()}", 0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def stack(reachable: Path) -> AsyncIterator[Stack]:
    async with Stack(reachable / "stack") as running:
        yield running


@pytest.fixture(scope="session")
async def template(stack: Stack) -> None:
    from tests.servers import make_template

    await make_template(stack)


@pytest.fixture
async def database(stack: Stack, template: None) -> AsyncIterator[Database]:
    from tests.servers import fresh_database

    async with fresh_database(stack) as fresh:
        yield fresh


@pytest.fixture
async def bucket(stack: Stack) -> AsyncIterator[str]:
    """The name; the server and its keys are `stack.urls.s3`."""
    from tests.servers import fresh_bucket

    async with fresh_bucket(stack) as name:
        yield name


@pytest.fixture
async def nats_url(tmp_path: Path) -> AsyncIterator[str]:
    """An empty NATS server of the test's own."""
    async with Stack(tmp_path / "nats", frozenset({NATS})) as own:
        yield own.urls.nats
