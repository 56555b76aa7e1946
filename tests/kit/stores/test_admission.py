"""Fairness between tenants: of each only so many workflows are on the bus, the others wait their turn."""

from __future__ import annotations

import asyncio

import pytest

from contracts.events import WorkflowExpired, WorkflowSubmitted
from tests.kit.stores.world import TENANT, World, data_of
from workers.kit.stores.drops import StoredEvent
from workers.kit.stores.pg import Pool

MOST = 2


async def submit(world: World, count: int, tenant: str = TENANT) -> list[str]:
    return [await world.submit(tenant=tenant, most=MOST) for _ in range(count)]


async def admit(world: World, *, most: int = MOST, limit: int = 10) -> list[str]:
    return sorted(event.workflow for event in await world.drops.admit(most=most, limit=limit))


async def owed(world: World) -> set[str]:
    return {event.workflow for event in await world.drops.unpublished(["workflow"], older_s=0, limit=100)}


async def cancel(world: World, workflow: str, tenant: str = TENANT) -> tuple[StoredEvent, ...]:
    done = await world.reads.cancel(tenant, workflow, reason="")
    assert done
    return done.events


async def test_beyond_the_bound_a_workflow_waits_and_is_not_lost(world: World) -> None:
    workflows = await submit(world, 4)
    assert await owed(world) == set(workflows[:2])
    assert {await world.state(workflow) for workflow in workflows} == {"active"}
    assert [await world.told(workflow) for workflow in workflows[2:]] == [[], []]
    named = await world.drops.runnable("plan", absent_s=0, limit=10)
    assert [workflow for _, workflow in named] == workflows[:2]
    assert not await admit(world)


async def test_as_room_appears_the_oldest_comes_on(world: World) -> None:
    workflows = await submit(world, 4)
    await cancel(world, workflows[0])
    (event,) = await world.drops.admit(most=MOST, limit=10)
    assert event.workflow == workflows[2]
    told = data_of(event)
    assert isinstance(told, WorkflowSubmitted)
    assert event.subject == f"ql.evt.{TENANT}.{event.workflow}.workflow.submitted.1"
    assert await owed(world) == set(workflows[:3])
    assert await world.told(workflows[2]) == ["workflow.submitted.1"]
    assert [workflow for _, workflow in await world.drops.runnable("plan", absent_s=0, limit=10)] == workflows[1:3]
    assert not await admit(world)


async def test_nobody_overtakes_those_who_wait(world: World) -> None:
    workflows = await submit(world, 3)
    await cancel(world, workflows[0])
    (late,) = await submit(world, 1)
    assert await world.told(late) == []
    assert await admit(world) == [workflows[2]]


async def test_tenants_come_in_turn_and_do_not_wait_for_each_other(world: World) -> None:
    mine = await submit(world, 6)
    (other,) = await submit(world, 1, "other")
    assert [event.workflow for event in await world.reads.events("other", other)] == [other]
    others = await submit(world, 3, "other")
    assert await admit(world, most=4, limit=3) == sorted([mine[2], others[1], min(mine[3], others[2])])
    assert len(await admit(world, most=4)) == 1
    assert not await admit(world, most=4)


async def test_a_repeated_submission_waits_with_the_first(world: World) -> None:
    await submit(world, 2)
    first = await world.submit(key="k", most=MOST)
    assert await world.submit(key="k", most=MOST) == first
    await cancel(world, (await world.reads.workflows(TENANT, before="", limit=9))[-1].id)
    assert await admit(world) == [first]


async def test_who_ends_waiting_is_told_of_whole(world: World) -> None:
    await submit(world, 2)
    (waiting,) = await submit(world, 1)
    assert [event.id.partition(".")[2] for event in await cancel(world, waiting)] == [
        "workflow.submitted.1",
        "workflow.cancelled.1",
    ]
    overdue = await world.submit(deadline_s=0, most=MOST)
    events = await world.drops.expire(limit=5)
    assert [event.workflow for event in events] == [overdue, overdue]
    assert isinstance(data_of(events[1]), WorkflowExpired)
    assert await world.told(overdue) == ["workflow.submitted.1", "workflow.expired.1"]
    assert not await admit(world, most=9)


async def test_two_sweepers_admit_each_workflow_once(world: World) -> None:
    workflows = await submit(world, 12)
    both = await asyncio.gather(*(admit(world, most=8) for _ in range(4)))
    assert sorted(workflow for found in both for workflow in found) == workflows[2:8]


async def test_what_is_cancelled_meanwhile_is_not_admitted(world: World) -> None:
    workflows = await submit(world, 8)
    await asyncio.gather(*(cancel(world, workflow) for workflow in workflows[2:6]), admit(world, most=8))
    await admit(world, most=8)
    for workflow in workflows[2:6]:
        assert (await world.told(workflow))[-1] == "workflow.cancelled.1"
    assert {workflow for _, workflow in await world.drops.runnable("plan", absent_s=0, limit=9)} == {
        *workflows[:2],
        *workflows[6:],
    }


@pytest.mark.parametrize("index", ["workflows_admitted", "workflows_waiting"])
async def test_counting_reads_no_table_of_ended_workflows(pg_world: World, worker_pool: Pool, index: str) -> None:
    state = "IS NOT NULL" if index == "workflows_admitted" else "IS NULL"
    query = f"SELECT FROM workflows WHERE tenant = 'default' AND state = 'active' AND admitted_at {state}"
    async with worker_pool.acquire() as worker, worker.transaction():
        await worker.execute("SET LOCAL enable_seqscan = off")
        plan = await worker.fetch(f"EXPLAIN {query} LIMIT 5")
    assert index in "".join(line[0] for line in plan)
