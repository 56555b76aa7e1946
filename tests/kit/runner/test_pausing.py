"""A stage that an operator paused takes nothing in any process, spends no attempt, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.flow.noop import TENANT, Pipeline, Servers, chain, noop, pipeline
from tests.kit.runner.test_stopping import until
from workers.kit.runner import pausing
from workers.kit.stores.pauses import PauseBoard
from workers.kit.stores.pg import open_pool

PAUSED = "step_1"


@pytest.fixture
async def board(servers: Servers) -> AsyncIterator[PauseBoard]:
    pool = await open_pool(servers.gateway, 1)
    yield PauseBoard(pool)
    await pool.close()


async def known(running: Pipeline, stages: set[str]) -> None:
    for worker in running.workers:
        worker.pauses_changed()
    await until(lambda: all(worker.paused == stages for worker in running.workers), within_s=5)


async def begun(running: Pipeline, workflow: str) -> list[str]:
    return [row.stage for row in await running.reads.drops(TENANT, workflow)]


async def rests(running: Pipeline, workflow: str) -> None:
    """Until the stage before is done; then nothing more happens for longer than a sweep and a message's return."""
    async with asyncio.timeout(20):
        while True:
            rows = await running.reads.drops(TENANT, workflow)
            if [(row.stage, row.state) for row in rows] == [("step_0", "completed")]:
                break
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)
    assert await begun(running, workflow) == ["step_0"]


async def test_nobody_takes_work_for_a_paused_stage_and_it_goes_on_where_it_was(
    servers: Servers, board: PauseBoard
) -> None:
    """Two processes that hand over, sweep and are sent every message again: none of them begins it."""
    async with pipeline(servers, chain(3), workers=2, sweep_s=0.3, ack_wait_s=1, heartbeat_s=0.3) as running:
        assert await running.end(await running.submit()) == "completed"
        assert await board.pause(PAUSED, "maintenance")
        await known(running, {PAUSED})
        workflows = [await running.submit() for _ in range(4)]
        await asyncio.gather(*(rests(running, workflow) for workflow in workflows))
        assert running.done("wakes") == 0
        assert await board.go_on(PAUSED)
        await known(running, set())
        for workflow in workflows:
            assert await running.end(workflow) == "completed"
            rows = await running.reads.drops(TENANT, workflow)
            assert {row.attempts for row in rows} == {1}


async def test_a_pause_outlives_the_workers(servers: Servers, board: PauseBoard) -> None:
    async with pipeline(servers, chain(3)) as running:
        await board.pause(PAUSED, "")
        await known(running, {PAUSED})
        workflow = await running.submit()
        await rests(running, workflow)
    async with pipeline(servers, chain(3)) as running:
        assert running.workers[0].paused == {PAUSED}
        await rests(running, workflow)
        running.follow(workflow)
        await board.go_on(PAUSED)
        await until(lambda: not running.workers[0].paused, within_s=5)  # nobody was nudged
        assert await running.end(workflow) == "completed"


async def test_what_was_begun_is_finished(servers: Servers, board: PauseBoard) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    plain = chain(3)

    async def stage(**inputs: object) -> object:
        began.set()
        await let_go.wait()
        return plain[PAUSED].produces(stage=PAUSED, revision=1)

    model = noop(plain[PAUSED], plain)
    stage.__signature__ = model.__signature__  # type: ignore[attr-defined]
    stage.__annotations__ = dict(model.__annotations__)
    async with pipeline(servers, plain, {PAUSED: stage}) as running:
        workflow = await running.submit()
        await asyncio.wait_for(began.wait(), 10)
        await board.pause(PAUSED, "")
        await known(running, {PAUSED})
        let_go.set()
        assert await running.end(workflow) == "completed"


async def test_a_store_that_is_away_changes_nothing(
    servers: Servers, board: PauseBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pausing, "LOOK_S", 0.05)
    async with pipeline(servers, chain(3)) as running:
        await board.pause(PAUSED, "")
        await known(running, {PAUSED})
        drops = running.drops
        pool, drops.pool = drops.pool, await open_pool(servers.worker, 1)
        await drops.pool.close()
        await asyncio.sleep(0.3)
        assert running.workers[0].paused == {PAUSED}
        drops.pool = pool
        await board.go_on(PAUSED)
        await until(lambda: not running.workers[0].paused, within_s=5)
