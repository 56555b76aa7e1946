"""Every conformance test runs on the memory twins and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.stack import Stack
from tests.kit.stores.world import SMALL, World
from tests.servers import Database, fresh_database
from workers.kit.stores.memory import Memory, MemoryDrops, MemoryReads
from workers.kit.stores.pg import PgDrops, PgReads, Pool, open_pool

TABLES = (
    "workflows, drops, events, ledger, usage, dead_letters, stream, budgets, charges, calls_running, switches, paces"
)


@pytest.fixture
def memory_world() -> World:
    memory = Memory()

    return World(drops=MemoryDrops(memory, SMALL), reads=MemoryReads(memory))


@pytest.fixture(scope="session")
async def shared(stack: Stack, template: None) -> AsyncIterator[Database]:
    """One database for all these tests, emptied before each: far quicker than one a test."""
    async with fresh_database(stack) as fresh:
        yield fresh


@pytest.fixture(scope="session")
async def shared_pools(shared: Database) -> AsyncIterator[tuple[Pool, Pool]]:
    async with await open_pool(shared.worker, 12) as worker, await open_pool(shared.gateway, 6) as gateway:
        yield worker, gateway


@pytest.fixture
async def emptied(shared: Database, shared_pools: tuple[Pool, Pool]) -> tuple[Pool, Pool]:
    connection = await asyncpg.connect(shared.admin)  # whose update of tenants no policy stops
    try:
        await connection.execute(f"TRUNCATE {TABLES} CASCADE")
        await connection.execute("UPDATE tenants SET monthly_budget = NULL")
    finally:
        await connection.close()
    return shared_pools


@pytest.fixture
def worker_pool(emptied: tuple[Pool, Pool]) -> Pool:
    return emptied[0]


@pytest.fixture
def gateway_pool(emptied: tuple[Pool, Pool]) -> Pool:
    return emptied[1]


@pytest.fixture
def gateway_dsn(emptied: tuple[Pool, Pool], shared: Database) -> str:
    return shared.gateway


@pytest.fixture
def pg_world(worker_pool: Pool, gateway_pool: Pool) -> World:
    return World(drops=PgDrops(worker_pool, SMALL), reads=PgReads(gateway_pool))


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    name = "memory_world" if request.param == "memory" else "pg_world"
    found: World = request.getfixturevalue(name)
    return found
