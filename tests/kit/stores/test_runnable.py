"""The sweeper's question: what it names can be claimed, and what can be claimed it names."""

from __future__ import annotations

import asyncio

from tests.kit.stores.world import SMALL, World, completed, rejected
from workers.kit.stores.drops import Claim, Failed, Retry


async def runnable(world: World, stage: str, absent_s: float | None = 0) -> list[str]:
    takes = SMALL.ancestors(stage)
    return [workflow for _, workflow in await world.drops.runnable(stage, absent_s=absent_s, limit=100, takes=takes)]


async def test_absent_rows_are_named_when_asked_for(world: World) -> None:
    workflow = await world.submit()
    assert list(await world.drops.runnable("plan", absent_s=0, limit=10)) == [("default", workflow)]
    assert not await runnable(world, "plan", absent_s=None)
    assert not await runnable(world, "code")


async def test_absent_rows_wait_from_when_their_last_input_came(world: World) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    await asyncio.sleep(0.3)
    await world.drops.commit(claim, completed(claim))
    assert not await runnable(world, "code", absent_s=0.25)
    assert not await runnable(world, "plan", absent_s=0.25)
    await asyncio.sleep(0.3)
    assert await runnable(world, "code", absent_s=0.25) == [workflow]


async def test_a_repair_is_absent_from_when_it_was_opened(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    await asyncio.sleep(0.3)
    await world.commit("check", workflow, rejected("code"))
    assert not await runnable(world, "code", absent_s=0.25)
    assert await runnable(world, "code") == [workflow]
    assert not await runnable(world, "check")
    assert not await runnable(world, "scan")


async def test_expired_leases_and_passed_retries_are_named_at_once(world: World) -> None:
    dead, waiting, working = [await world.submit() for _ in range(3)]
    await world.claim("plan", dead, lease_s=0)
    await world.commit("plan", waiting, Retry(error="busy", after_s=0.2))
    await world.claim("plan", working)
    assert await runnable(world, "plan", absent_s=None) == [dead]
    await asyncio.sleep(0.25)
    assert await runnable(world, "plan", absent_s=None) == [dead, waiting]


async def test_dead_work_at_an_old_revision_is_not_named(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    await world.claim("scan", workflow, lease_s=0)
    assert await runnable(world, "scan") == [workflow]
    await world.commit("check", workflow, rejected("code"))
    assert not await runnable(world, "scan")


async def test_the_oldest_come_first_up_to_the_limit(world: World) -> None:
    workflows = [await world.submit() for _ in range(4)]
    await world.claim("plan", workflows[3], lease_s=0)
    found = await world.drops.runnable("plan", absent_s=0, limit=3)
    assert [workflow for _, workflow in found] == [workflows[3], workflows[0], workflows[1]]


async def test_what_cannot_be_claimed_hides_nothing_behind_it(world: World) -> None:
    """They wait for what is being made again, which only a look at each can tell."""
    waiting = [await world.submit() for _ in range(3)]
    stalled = await world.submit()
    for workflow in (*waiting, stalled):
        await world.complete(workflow, "plan", "code")
    for workflow in waiting:
        assert await world.drops.rearm(await world.claim("check", workflow), ["code"], after_s=0)
    await world.claim("check", stalled, lease_s=0)
    for limit in (1, 2):
        assert list(await world.drops.runnable("check", absent_s=None, limit=limit)) == [("default", stalled)]
    assert [w for _, w in await world.drops.runnable("code", absent_s=None, limit=2)] == waiting[:2]


async def test_an_ancestor_that_the_stage_does_not_take_may_be_made_again(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code", "check", "suite")
    assert await world.drops.rearm(await world.claim("scan", workflow), ["code"], after_s=60)

    async def named(*takes: str) -> bool:
        return bool(await world.drops.runnable("trial", absent_s=0, limit=9, takes=takes))

    assert [await named(), await named("plan"), await named("plan", "code")] == [True, True, False]
    claim = await world.drops.claim("trial", "default", workflow, lease_s=0, attempts=5, takes=("plan",))
    assert isinstance(claim, Claim)
    assert [await named("plan"), await named("code")] == [True, False], "also when its worker died"


async def test_a_duty_is_one_processs_until_its_time_has_passed(world: World) -> None:
    assert await world.drops.on_duty("look at the moon", for_s=0.3)
    assert not await world.drops.on_duty("look at the moon", for_s=0.3)
    assert await world.drops.on_duty("look at the sun", for_s=60)
    await asyncio.sleep(0.35)
    asked = await asyncio.gather(*(world.drops.on_duty("look at the moon", for_s=60) for _ in range(5)))
    assert sorted(asked) == [False] * 4 + [True]


async def test_ended_workflows_are_not_named_and_resumed_ones_are(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    await world.claim("suite", workflow)
    await world.commit("code", workflow, Failed(error="no"))
    assert not await runnable(world, "suite")
    await world.resume(workflow)
    assert await runnable(world, "suite") == [workflow]
    assert await runnable(world, "code") == [workflow]


async def test_it_names_exactly_what_a_claim_gets(world: World) -> None:
    workflow = await world.submit()
    for turn in range(40):
        named = {stage for stage in SMALL.stages if await runnable(world, stage)}
        claims = {stage: await world.look(stage, workflow) for stage in SMALL.stages}
        got = {stage: claim for stage, claim in claims.items() if isinstance(claim, Claim)}
        assert got.keys() == named
        if not got:
            break
        for stage, claim in got.items():
            picky = SMALL[stage].repairs and turn % 2 == 0
            await world.drops.commit(claim, rejected("code") if picky else completed(claim))
    assert await world.state(workflow) == "completed"
