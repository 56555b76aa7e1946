"""Batches on PostgreSQL: what is asked together is decided as if it had been asked one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from contracts.events import Ref
from tests.kit.stores.world import SMALL, TENANT, World, completed, ref, rejected
from tests.servers import Database
from workers.kit.stores.drops import Claim, Completed, Failed, NoClaim, Outcome, StoreDown
from workers.kit.stores.pg import PgDrops, Pool, open_pool, outbox
from workers.kit.stores.pg.pool import transaction

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
def world(pg_world: World) -> World:
    return pg_world


@pytest.fixture
async def worker(shared: Database, emptied: object) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(shared.worker)
    yield connection
    await connection.close()


@contextlib.asynccontextmanager
async def held(connection: Connection, workflow: str) -> AsyncIterator[None]:
    """Somebody else holds the workflow's row, so that what is asked now waits, and the rest piles up behind it."""
    async with connection.transaction():
        await connection.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", workflow)
        yield


async def submitted(world: World, count: int) -> list[str]:
    return [await world.submit() for _ in range(count)]


async def test_many_stages_of_many_workflows_in_one_batch(world: World, worker: Connection) -> None:
    first, *others = await submitted(world, 6)
    await world.complete(others[0], "plan")
    async with held(worker, first):
        blocked = asyncio.create_task(world.claim("plan", first))
        await asyncio.sleep(0.05)
        asked = [asyncio.create_task(world.look("plan", workflow)) for workflow in others]
        asked.append(asyncio.create_task(world.look("code", others[0])))
        asked.append(asyncio.create_task(world.look("plan", "nobody")))
        asked.append(asyncio.create_task(world.look("plan", others[1], tenant="stranger")))
    await blocked
    answers = await asyncio.gather(*asked)
    assert answers[0] == NoClaim(reason="done")
    assert [type(answer) for answer in answers[1:6]] == [Claim] * 5
    assert {claim.workflow: claim.stage for claim in answers[1:6] if isinstance(claim, Claim)} == {
        **dict.fromkeys(others[1:], "plan"),
        others[0]: "code",
    }
    assert answers[6:] == [NoClaim(reason="unknown")] * 2


async def test_two_stages_of_one_workflow_asked_at_once(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    code, suite = await asyncio.gather(world.claim("code", workflow), world.claim("suite", workflow))
    done = await asyncio.gather(world.drops.commit(code, completed(code)), world.drops.commit(suite, completed(suite)))
    assert [each.state for each in done] == ["completed", "completed"]
    assert (await world.told(workflow))[-2:] == ["code.completed.1", "suite.completed.1"]


async def test_the_same_row_asked_twice_at_once(world: World) -> None:
    workflow = await world.submit()
    first, second = await asyncio.gather(world.look("plan", workflow), world.look("plan", workflow))
    assert isinstance(first, Claim)
    assert second == NoClaim(reason="leased")
    answers = await asyncio.gather(*(world.drops.commit(first, completed(first)) for _ in range(2)))
    assert [answer.state for answer in answers] == ["completed", "lost"]


@pytest.mark.parametrize("poison", ["nul", "target", "size"])
async def test_a_poisoned_outcome_harms_its_own_caller_only(world: World, poison: str) -> None:
    workflows = await submitted(world, 5)
    for workflow in workflows:
        await world.complete(workflow, "plan", "code")
    claims = [await world.claim("check", workflow) for workflow in workflows]
    bad: dict[str, Outcome] = {
        "nul": Completed(artifact=Ref(key="a\0b", offset=0, length=1, sha256="aa"), media_type="x/y"),
        "target": rejected("plan"),
        "size": Completed(artifact=ref("big"), media_type="x" * 2_000_000),
    }
    outcomes: list[Outcome] = [*map(completed, claims[:4]), bad[poison]]
    answers = await asyncio.gather(
        *(world.drops.commit(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True)),
        return_exceptions=True,
    )
    assert [getattr(answer, "state", "") for answer in answers] == ["completed"] * 4 + [""]
    assert isinstance(answers[4], asyncpg.DataError | ValueError)
    assert (await world.drop(workflows[4], "check")).state == "running"


async def test_every_workflow_of_a_batch_ends_its_own_way(world: World) -> None:
    workflows = await submitted(world, 3)
    for workflow in workflows:
        await world.complete(workflow, "plan", "code", "suite", "check", "scan", "trial")
    claims = [await world.claim("pack", workflow) for workflow in workflows]
    outcomes: list[Outcome] = [completed(claims[0]), Failed(error="this one"), Failed(error="that one")]
    await asyncio.gather(*(world.drops.commit(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True)))
    ended = [await world.reads.workflow(TENANT, workflow) for workflow in workflows]
    assert [(row.state, row.error) for row in ended if row] == [
        ("completed", ""),
        ("failed", "this one"),
        ("failed", "that one"),
    ]


async def test_of_two_processes_that_claim_the_same_row_one_wins(shared: Database, world: World) -> None:
    async with await open_pool(shared.worker, 2) as one, await open_pool(shared.worker, 2) as other:
        left, right = PgDrops(one, SMALL), PgDrops(other, SMALL)
        for _ in range(200):
            workflow = await world.submit()
            found = await asyncio.gather(
                left.claim("plan", TENANT, workflow, lease_s=30, attempts=5),
                right.claim("plan", TENANT, workflow, lease_s=30, attempts=5),
            )
            assert Counter(type(each) for each in found) == {Claim: 1, NoClaim: 1}


async def test_a_claim_whose_caller_went_away_is_handed_back(world: World, worker: Connection) -> None:
    first, second = await submitted(world, 2)
    async with held(worker, first):
        blocked = asyncio.create_task(world.claim("plan", first))
        await asyncio.sleep(0.05)
        left = asyncio.create_task(world.claim("plan", second))
        stays = asyncio.create_task(world.claim("plan", await world.submit()))
        await asyncio.sleep(0.05)
        blocked.cancel()
        left.cancel()
    assert (await stays).epoch == 1
    again = await world.claim("plan", first)
    assert (again.epoch, again.attempt) == (2, 1), "taken, and handed back without having cost an attempt"
    assert (await world.claim("plan", second)).epoch == 1, "never taken"


async def test_a_commit_whose_caller_went_away_stands(world: World, worker: Connection) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    async with held(worker, workflow):
        left = asyncio.create_task(world.drops.commit(claim, completed(claim)))
        await asyncio.sleep(0.05)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
    async with asyncio.timeout(10):
        while isinstance(await world.look("code", workflow), NoClaim):  # noqa: ASYNC110  # the commit is under way
            await asyncio.sleep(0.01)
    untold = await world.drops.unpublished(["plan"], older_s=0, limit=5)
    assert [event.id for event in untold] == [f"{workflow}.plan.completed.1"]


async def test_a_connection_that_breaks_fails_its_batch_and_no_later_one(
    world: World, shared: Database, worker: Connection
) -> None:
    workflows = await submitted(world, 4)
    async with await open_pool(shared.worker, 1) as pool:
        drops = PgDrops(pool, SMALL)
        pid = await pool.fetchval("SELECT pg_backend_pid()")
        async with held(worker, workflows[2]):
            asked = [asyncio.create_task(drops.claim("plan", TENANT, w, lease_s=30, attempts=5)) for w in workflows]
            await asyncio.sleep(0.1)
            assert await worker.fetchval("SELECT pg_terminate_backend($1)", pid)
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreDown] * 4
        again = [await drops.claim("plan", TENANT, w, lease_s=30, attempts=5) for w in workflows]
        assert [each.epoch for each in again if isinstance(each, Claim)] == [1] * 4


async def test_a_deadlock_costs_nobody_a_claim(world: World, worker: Connection) -> None:
    low, high = sorted(await submitted(world, 2))
    async with worker.transaction():
        await worker.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", high)
        asked = [asyncio.create_task(world.claim("plan", workflow)) for workflow in (low, high)]
        await asyncio.sleep(0.1)
        lock = asyncio.create_task(worker.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", low))
        with contextlib.suppress(asyncpg.DeadlockDetectedError):
            await lock
    assert [claim.workflow for claim in await asyncio.gather(*asked)] == [low, high]


async def test_a_note_does_not_wait_for_the_disk_and_a_commit_does(world: World, worker_pool: Pool) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    done = await world.drops.commit(claim, completed(claim))
    async with transaction(worker_pool) as connection:
        await outbox.published(connection, done.events)
        assert await connection.fetchval("SHOW synchronous_commit") == "off"
    assert await worker_pool.fetchval("SHOW synchronous_commit") == "on"


async def test_two_processes_with_overlapping_batches_do_everything_once(shared: Database, world: World) -> None:
    workflows = await submitted(world, 30)
    context = multiprocessing.get_context("spawn")
    parts = [context.Process(target=_drain, args=(shared.worker, workflows, seed)) for seed in (1, 2)]
    for part in parts:
        part.start()
    for part in parts:
        await asyncio.to_thread(part.join, 60)
    assert [part.exitcode for part in parts] == [0, 0]
    for workflow in workflows:
        assert await world.state(workflow) == "completed"
        assert len(await world.told(workflow)) == len(set(await world.told(workflow))) == 2 + len(SMALL.stages)


def _drain(dsn: str, workflows: list[str], seed: int) -> None:
    asyncio.run(_drained(dsn, workflows, random.Random(seed)))  # noqa: S311  # an order, not a secret


async def _drained(dsn: str, workflows: list[str], order: random.Random) -> None:
    """Ask for every stage of every workflow, each time in another order, until nothing is left; no error is excused."""
    async with await open_pool(dsn, 4) as pool:
        drops = PgDrops(pool, SMALL)

        async def one(stage: str, workflow: str) -> str:
            claim = await drops.claim(stage, TENANT, workflow, lease_s=30, attempts=5)
            if isinstance(claim, NoClaim):
                return claim.reason
            return (await drops.commit(claim, completed(claim))).state

        while True:
            asked = [(stage, workflow) for stage in SMALL.stages for workflow in workflows]
            order.shuffle(asked)
            if set(await asyncio.gather(*(one(*each) for each in asked))) <= {"ended"}:
                return
