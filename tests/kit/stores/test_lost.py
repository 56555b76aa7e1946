"""Lost artifacts: their stages make them again, tell nothing twice, and whoever needs them waits."""

from __future__ import annotations

import asyncio

import pytest

from contracts.events import StageFailed, WorkflowFailed
from tests.kit.stores.world import SMALL, TENANT, World, completed, data_of, ref, rejected
from workers.kit.stores.drops import Claim, Completed, Failed, NoClaim, Outcome, Retry


@pytest.fixture
async def coded(world: World) -> str:
    """A workflow whose code is to be checked."""
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    return workflow


async def lose(world: World, workflow: str, stage: str, *lost: str, after_s: float = 0) -> Claim:
    """The stage's claim, that finds these inputs lost."""
    claim = await world.claim(stage, workflow)
    assert await world.drops.rearm(claim, lost, after_s=after_s)
    return claim


async def wakes(world: World) -> set[str]:
    return {
        stage
        for stage in SMALL.stages
        if await world.drops.runnable(stage, absent_s=None, limit=9, takes=SMALL.ancestors(stage))
    }


async def test_a_lost_input_is_made_again_and_told_once(world: World, coded: str) -> None:
    told = await world.told(coded)
    await lose(world, coded, "check", "code")
    row, mine = await world.drop(coded, "code"), await world.drop(coded, "check")
    assert (row.state, row.attempts, row.artifact) == ("retry", 0, ref(f"{coded}.code.1"))
    assert (mine.state, mine.attempts, mine.error) == ("retry", 1, "lost: the artifact of code")
    assert await world.why("check", coded) == "inputs missing"
    assert await world.why("scan", coded) == "inputs missing"
    assert await wakes(world) == {"code"}
    claim = await world.claim("code", coded)
    assert (claim.revision, claim.attempt, claim.epoch, set(claim.inputs)) == (1, 1, 2, {"plan"})
    assert await world.drops.renew(claim, lease_s=30)
    done = await world.drops.commit(claim, completed(claim))
    assert (done.state, done.events) == ("completed", ())
    assert await world.told(coded) == told
    assert await wakes(world) == {"check"}
    again = await world.claim("check", coded)
    assert (again.attempt, again.inputs["code"].ref) == (2, ref(f"{coded}.code.1"))


async def test_it_may_come_back_at_another_place(world: World, coded: str) -> None:
    await lose(world, coded, "check", "code")
    claim = await world.claim("code", coded)
    was = ref(f"{coded}.code.1")
    moved = Completed(artifact=ref("pack"), media_type="x/y")
    other = type(was)(key="packs/1", offset=7, length=was.length, sha256=was.sha256)
    assert (await world.drops.commit(claim, Completed(artifact=other, media_type="x/y"))).state == "completed"
    assert (await world.claim("check", coded)).inputs["code"].ref == other != moved.artifact


async def test_other_bytes_fail_the_workflow(world: World, coded: str) -> None:
    await lose(world, coded, "check", "code")
    done = await world.commit("code", coded, Completed(artifact=ref("other"), media_type="x/y"))
    assert done.state == "failed"
    stage, end = (data_of(event) for event in done.events)
    assert isinstance(stage, StageFailed)
    assert isinstance(end, WorkflowFailed)
    assert "made again it has other bytes" in end.error
    assert ref("other").sha256 in stage.error
    assert await world.state(coded) == "failed"
    await world.resume(coded)
    assert (await world.claim("code", coded)).revision == 2


async def test_a_lost_report_comes_back_as_a_rejection(world: World, coded: str) -> None:
    await world.commit("check", coded, rejected("code"))
    told = await world.told(coded)
    await lose(world, coded, "code", "check")
    assert await world.why("code", coded) == "inputs missing"
    assert await wakes(world) == {"check"}
    claim = await world.claim("check", coded)
    assert (claim.revision, claim.inputs["code"].input.revision) == (1, 1)
    assert await world.drops.renew(claim, lease_s=30), "it is not due, but wanted"
    done = await world.drops.commit(claim, rejected("code"))
    assert (done.state, done.events) == ("rejected", ())
    row = await world.drop(coded, "check")
    assert (row.opens, row.target) == (2, "code")
    repair = await world.claim("code", coded)
    assert (repair.revision, set(repair.repair)) == (2, {"check", "code"})
    await world.drops.commit(repair, completed(repair))
    assert await world.told(coded) == [*told, "code.completed.2"]
    assert (await world.commit("check", coded, rejected("code"))).state == "rejected", "one round was spent, not two"
    await world.complete(coded, "code")
    assert (await world.commit("check", coded, rejected("code"))).state == "completed"


async def test_what_lacks_for_a_lost_input_is_made_again_too(world: World, coded: str) -> None:
    await world.commit("check", coded, rejected("code"))
    await lose(world, coded, "code", "code")
    old = await lose(world, coded, "code", "plan")
    assert old.revision == 1
    assert await wakes(world) == {"plan"}
    for stage, revision in (("plan", 1), ("code", 1), ("code", 2)):
        claim = await world.claim(stage, coded)
        assert claim.revision == revision
        assert (await world.drops.commit(claim, completed(claim))).state == "completed"
    assert (await world.claim("check", coded)).revision == 2
    assert [name for name in await world.told(coded) if name.startswith("plan")] == ["plan.completed.1"]


async def test_what_was_unmet_stays_unmet(world: World, coded: str) -> None:
    for _ in range(2):
        await world.commit("check", coded, rejected("code"))
        await world.complete(coded, "code")
    await world.commit("check", coded, rejected("code"))
    await world.complete(coded, "suite")
    await lose(world, coded, "trial", "check")
    assert (await world.commit("check", coded, rejected("code"))).state == "completed"
    claim = await world.claim("trial", coded)
    assert claim.inputs["check"].input.unmet


async def test_attempts_at_it_count_and_keep_what_must_come_back(world: World, coded: str) -> None:
    await lose(world, coded, "check", "code")
    assert (await world.commit("code", coded, Retry(error="busy", after_s=0))).state == "retry"
    row = await world.drop(coded, "code")
    assert (row.state, row.attempts, row.artifact) == ("retry", 1, ref(f"{coded}.code.1"))
    await world.drops.release(await world.claim("code", coded))
    claim = await world.claim("code", coded, lease_s=0)
    assert claim.attempt == 2
    assert (await world.claim("code", coded)).attempt == 3
    assert (await world.drops.commit(claim, completed(claim))).state == "lost"


@pytest.mark.parametrize("outcome", [Failed(error="no"), None])
async def test_a_report_that_cant_be_made_again_is_redone_at_a_new_revision(
    world: World, coded: str, outcome: Outcome | None
) -> None:
    await world.commit("check", coded, rejected("code"))
    await lose(world, coded, "code", "check")
    if outcome is not None:
        assert (await world.commit("check", coded, outcome)).state == "failed"
    else:
        await world.look("check", coded, attempts=0)
    assert await world.state(coded) == "failed"
    await world.resume(coded)
    claim = await world.claim("code", coded)
    assert (claim.revision, dict(claim.repair)) == (3, {})
    await world.drops.commit(claim, completed(claim))
    await world.complete(coded, "check", "scan", "suite", "trial", "pack")
    assert await world.state(coded) == "completed"
    assert (await world.drop(coded, "check", 3)).state == "completed"


async def test_a_workflow_that_ends_leaves_it_as_it_was(world: World, coded: str) -> None:
    await world.commit("check", coded, rejected("code"))
    await lose(world, coded, "code", "check", "code")
    await world.claim("code", coded)
    done = await world.reads.cancel(TENANT, coded, reason="")
    assert done
    assert done.done
    states = {(drop.stage, drop.revision): drop.state for drop in await world.reads.drops(TENANT, coded)}
    assert states == {
        ("plan", 1): "completed",
        ("code", 1): "completed",
        ("check", 1): "rejected",
        ("code", 2): "closed",
    }


async def test_it_is_found_lost_again_after_a_resume(world: World, coded: str) -> None:
    await lose(world, coded, "check", "code")
    await world.commit("suite", coded, Failed(error="no"))
    assert (await world.drop(coded, "code")).state == "completed"
    await world.resume(coded)
    await lose(world, coded, "check", "code")
    await world.complete(coded, "code", "suite", "check", "scan", "trial", "pack")
    assert await world.state(coded) == "completed"


async def test_the_claim_must_still_stand(world: World, coded: str) -> None:
    claim = await world.claim("check", coded, lease_s=0)
    newer = await world.claim("check", coded)
    assert not await world.drops.rearm(claim, ["code"], after_s=0)
    late = await world.claim("scan", coded)
    await world.drops.commit(newer, rejected("code"))
    assert not await world.drops.rearm(late, ["code"], after_s=0)
    assert (await world.drop(coded, "code")).state == "completed"
    with pytest.raises(ValueError, match="has no input suite"):
        await world.drops.rearm(await world.claim("code", coded), ["suite"], after_s=0)


async def test_of_two_who_miss_it_one_has_it_made(world: World, coded: str) -> None:
    check, scan = await world.claim("check", coded), await world.claim("scan", coded)
    both = await asyncio.gather(*(world.drops.rearm(claim, ["code"], after_s=0) for claim in (check, scan)))
    assert both == [True, True]
    claim = await world.claim("code", coded)
    await world.drops.commit(claim, completed(claim))
    await world.complete(coded, "check", "scan")


async def test_what_came_back_meanwhile_is_not_made_again(world: World, coded: str) -> None:
    scan = await world.claim("scan", coded)
    await lose(world, coded, "check", "code")
    claim = await world.claim("code", coded)
    await world.drops.commit(claim, completed(claim))
    assert await world.drops.rearm(scan, ["code"], after_s=0)
    assert (await world.drop(coded, "code")).state == "completed"
    await world.complete(coded, "scan")


async def test_it_waits_as_long_as_it_was_told(world: World, coded: str) -> None:
    await lose(world, coded, "check", "code", after_s=30)
    claim = await world.claim("code", coded)
    await world.drops.commit(claim, completed(claim))
    assert await world.why("check", coded) == "waiting"


async def test_a_store_that_loses_everything_ends_the_workflow(world: World, coded: str) -> None:
    for _ in range(3):
        claim = await world.claim("check", coded, attempts=3)
        assert await world.drops.rearm(claim, ["code"], after_s=0)
        claim = await world.claim("code", coded)
        await world.drops.commit(claim, completed(claim))
    await world.look("check", coded, attempts=3)
    found = await world.reads.workflow(TENANT, coded)
    assert found
    assert (found.state, found.error) == ("failed", "gave up after 3 attempts: lost: the artifact of code")


async def test_it_is_hopeless_without_what_it_was_made_from(world: World, coded: str) -> None:
    await world.complete(coded, "suite", "check")
    await world.commit("trial", coded, rejected("suite"))
    await lose(world, coded, "suite", "trial")
    await lose(world, coded, "trial", "code")
    await world.commit("code", coded, Failed(error="no"))
    await world.resume(coded)
    await world.complete(coded, "code", "check")
    assert (await world.claim("scan", coded)).revision == 3
    await lose(world, coded, "suite", "trial")
    assert await wakes(world) == {"trial"}
    found = await world.look("trial", coded)
    assert isinstance(found, NoClaim)
    assert found.error == "can't be made again, for want of code"
    await world.resume(coded)
    assert (await world.claim("suite", coded)).revision == 4
