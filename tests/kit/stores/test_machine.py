"""Claim, commit, join, cancel and all else that may befall a workflow, in any order, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.kit.stores.machine import Machine, Servers
from tests.servers import Database
from workers.kit.stores.drops import Claim, Committed, LetterWriter, Outcome
from workers.kit.stores.handover import Heir
from workers.kit.stores.pg import PgDrops, open_pool
from workers.kit.stores.pg.pool import connected

STEPS = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.reuse, Phase.generate],
)
UNTIL_FOUND = settings(
    STEPS, max_examples=150, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False
)
EPOCH = "SELECT epoch FROM drops WHERE workflow_id = $1 AND stage = $2 AND revision = $3"


@pytest.fixture
def servers(database: Database) -> Iterator[Servers]:
    with asyncio.Runner() as runner:
        found = runner.run(_opened(runner, database))
        yield found
        runner.run(_closed(found))


async def _opened(runner: asyncio.Runner, database: Database) -> Servers:
    admin = await asyncpg.connect(database.admin)
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # no power is cut here
    worker, gateway = await open_pool(database.worker, 4), await open_pool(database.gateway, 3)
    return Servers(runner=runner, worker=worker, gateway=gateway, admin=admin)


async def _closed(servers: Servers) -> None:
    await asyncio.gather(servers.worker.close(), servers.gateway.close(), servers.admin.close())


class Unfenced(PgDrops):
    """Whoever comes back commits, with whatever epoch."""

    async def commit(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter | None = None, heirs: Sequence[Heir] = ()
    ) -> Committed:
        async with connected(self.pool) as connection:
            epoch = await connection.fetchval(EPOCH, claim.workflow, claim.stage, claim.revision)
        return await super().commit(msgspec.structs.replace(claim, epoch=epoch), outcome, letter, heirs)


def test_every_history_is_lawful(servers: Servers) -> None:
    run_state_machine_as_test(partial(Machine, servers), settings=STEPS)  # type: ignore[arg-type]


def test_it_finds_a_commit_without_fence(servers: Servers) -> None:
    wrong = dataclasses.replace(servers, drops=Unfenced)
    with pytest.raises(AssertionError, match=r"the rules say Told\(word='lost'|no order explains"):
        run_state_machine_as_test(partial(Machine, wrong), settings=UNTIL_FOUND)  # type: ignore[arg-type]
