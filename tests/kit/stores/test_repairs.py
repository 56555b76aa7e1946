"""Ways back: what a rejection opens, who redoes what from which inputs, and when it is enough."""

from __future__ import annotations

import asyncio

import pytest

from contracts.events import StageCompleted, StageRejected
from tests.kit.stores.world import World, completed, data_of, ref, rejected
from workers.kit.stores.drops import Failed, Outcome


@pytest.fixture
async def checked(world: World) -> str:
    """A workflow whose code is to be checked."""
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    return workflow


async def test_a_rejection_opens_the_next_revision_at_its_target(world: World, checked: str) -> None:
    done = await world.commit("check", checked, rejected("code"))
    assert done.state == "rejected"
    told = data_of(done.events[0])
    assert isinstance(told, StageRejected)
    assert (told.opens, told.target, told.findings, told.artifact) == (2, "code", 1, ref("report"))
    drop = await world.drop(checked, "check")
    assert (drop.state, drop.opens, drop.target, drop.artifact) == ("rejected", 2, "code", ref("report"))
    assert await world.told(checked) == [
        "workflow.submitted.1",
        "plan.completed.1",
        "code.completed.1",
        "check.rejected.1",
    ]


async def test_the_target_gets_the_report_and_its_own_last_work(world: World, checked: str) -> None:
    await world.commit("check", checked, rejected("code"))
    assert await world.why("check", checked) == "inputs missing"
    claim = await world.claim("code", checked)
    assert claim.revision == 2
    assert {name: found.input.revision for name, found in claim.inputs.items()} == {"plan": 1}
    assert {name: found.ref for name, found in claim.repair.items()} == {
        "check": ref("report"),
        "code": ref(f"{checked}.code.1"),
    }
    kept = {(found.stage, found.revision) for found in (await world.drop(checked, "code", 2)).inputs}
    assert kept == {("plan", 1), ("check", 1), ("code", 1)}


async def test_stages_behind_the_target_get_no_repair_inputs(world: World, checked: str) -> None:
    await world.commit("check", checked, rejected("code"))
    await world.complete(checked, "code")
    claim = await world.claim("check", checked)
    assert claim.revision == 2
    assert {name: found.input.revision for name, found in claim.inputs.items()} == {"plan": 1, "code": 2}
    assert not claim.repair


async def test_a_repair_of_one_branch_leaves_the_other_as_it_is(world: World, checked: str) -> None:
    await world.complete(checked, "suite", "check", "scan")
    await world.commit("trial", checked, rejected("suite"))
    assert await world.why("code", checked) == "done"
    assert await world.why("scan", checked) == "done"
    await world.complete(checked, "suite")
    claim = await world.claim("trial", checked)
    assert {name: found.input.revision for name, found in claim.inputs.items()} == {
        "plan": 1,
        "code": 1,
        "check": 1,
        "suite": 2,
    }


async def test_of_two_rejections_at_once_one_opens_and_the_other_is_superseded(world: World, checked: str) -> None:
    claims = [await world.claim(stage, checked) for stage in ("check", "scan")]
    done = await asyncio.gather(*(world.drops.commit(claim, rejected("code")) for claim in claims))
    assert sorted(found.state for found in done) == ["rejected", "superseded"]
    assert sum(len(found.events) for found in done) == 1
    assert {drop.opens for drop in await world.reads.drops("default", checked)} == {0, 2}


@pytest.mark.parametrize("outcome", ["completed", "rejected", "failed"])
async def test_an_outcome_that_is_no_longer_due_is_superseded(world: World, checked: str, outcome: str) -> None:
    claim = await world.claim("scan", checked)
    await world.commit("check", checked, rejected("code"))
    late: dict[str, Outcome] = {
        "completed": completed(claim),
        "rejected": rejected("code"),
        "failed": Failed(error="broken"),
    }
    done = await world.drops.commit(claim, late[outcome])
    assert (done.state, done.events) == ("superseded", ())
    assert (await world.drop(checked, "scan")).opens == 0
    assert await world.state(checked) == "active"


async def test_the_heartbeat_notices_that_the_work_is_superseded(world: World, checked: str) -> None:
    claim = await world.claim("scan", checked)
    assert await world.drops.renew(claim, lease_s=30)
    await world.commit("check", checked, rejected("code"))
    assert not await world.drops.renew(claim, lease_s=30)
    assert (await world.drop(checked, "scan")).state == "superseded"
    assert (await world.drops.commit(claim, completed(claim))).state == "lost"


async def test_after_the_last_round_the_report_is_completed_and_unmet(world: World, checked: str) -> None:
    for _ in range(2):
        assert (await world.commit("check", checked, rejected("code"))).state == "rejected"
        await world.complete(checked, "code")
    done = await world.commit("check", checked, rejected("code"))
    assert done.state == "completed"
    told = data_of(done.events[0])
    assert isinstance(told, StageCompleted)
    assert (told.unmet, told.revision, told.artifact) == (True, 3, ref("report"))
    drop = await world.drop(checked, "check", 3)
    assert (drop.unmet, drop.opens, drop.target) == (True, 0, "")
    await world.complete(checked, "suite")
    assert (await world.claim("trial", checked)).inputs["check"].input.unmet


async def test_rounds_are_counted_for_each_rejecting_stage(world: World, checked: str) -> None:
    assert (await world.commit("scan", checked, rejected("code"))).state == "rejected"
    await world.complete(checked, "code")
    assert (await world.commit("scan", checked, rejected("code"))).state == "completed"
    assert (await world.commit("check", checked, rejected("code"))).state == "rejected"
    assert (await world.drop(checked, "check", 2)).opens == 3


async def test_one_stages_rounds_are_not_spent_by_another(world: World, checked: str) -> None:
    for _ in range(2):
        await world.commit("check", checked, rejected("code"))
        await world.complete(checked, "code")
    assert (await world.commit("scan", checked, rejected("code"))).state == "rejected"


async def test_a_late_branch_opens_above_a_revision_that_is_not_its_own(world: World, checked: str) -> None:
    await world.complete(checked, "suite", "check")
    late = await world.claim("scan", checked)
    await world.commit("trial", checked, rejected("suite"))
    done = await world.drops.commit(late, rejected("code"))
    assert done.state == "rejected"
    assert (await world.drop(checked, "scan")).opens == 3
    assert (await world.claim("code", checked)).revision == 3
    assert (await world.claim("suite", checked)).revision == 2


async def test_a_stage_can_reject_only_to_its_own_targets(world: World, checked: str) -> None:
    claim = await world.claim("check", checked)
    with pytest.raises(ValueError, match="may not send work back to plan"):
        await world.drops.commit(claim, rejected("plan"))
    assert (await world.drop(checked, "check")).state == "running"
