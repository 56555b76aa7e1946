"""Every conformance test runs on the memory twins and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.kit.stores.world import SMALL, World
from tests.servers import Database
from workers.kit.stores import standing
from workers.kit.stores.memory import Memory, MemoryDrops, MemoryReads
from workers.kit.stores.pg import PgDrops, PgReads, Pool, open_pool


@pytest.fixture
def memory_world() -> World:
    memory = Memory()

    async def resume(workflow: str, stage: str) -> None:
        found = memory.workflows[workflow]
        opens = standing.newest(found.rows.values()) + 1
        key = max(key for key in found.rows if key[0] == stage)
        found.rows[key] = msgspec.structs.replace(found.rows[key], opens=opens, target=stage)
        found.state = "active"

    return World(drops=MemoryDrops(memory, SMALL), reads=MemoryReads(memory), resume=resume)


@pytest.fixture
async def worker_pool(database: Database) -> AsyncIterator[Pool]:
    async with await open_pool(database.worker, 12) as pool:
        yield pool


@pytest.fixture
async def gateway_pool(database: Database) -> AsyncIterator[Pool]:
    async with await open_pool(database.gateway, 6) as pool:
        yield pool


@pytest.fixture
def pg_world(worker_pool: Pool, gateway_pool: Pool) -> World:
    async def resume(workflow: str, stage: str) -> None:
        async with worker_pool.acquire() as connection, connection.transaction():
            await connection.execute(
                """
                UPDATE drops d SET target = $2, opens = 1 + coalesce(
                    (SELECT max(o.opens) FROM drops o WHERE o.workflow_id = $1), 1
                )
                WHERE d.workflow_id = $1 AND d.stage = $2
                    AND d.revision = (SELECT max(n.revision) FROM drops n WHERE n.workflow_id = $1 AND n.stage = $2)
                """,
                workflow,
                stage,
            )
            await connection.execute("UPDATE workflows SET state = 'active' WHERE id = $1", workflow)

    return World(drops=PgDrops(worker_pool, SMALL), reads=PgReads(gateway_pool), resume=resume)


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    name = "memory_world" if request.param == "memory" else "pg_world"
    found: World = request.getfixturevalue(name)
    return found
