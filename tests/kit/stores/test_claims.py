"""The claim: who may begin a row, from which inputs, and for how long."""

from __future__ import annotations

import asyncio

from tests.kit.stores.world import World, completed, ref, rejected
from workers.kit.stores.drops import Claim, NoClaim, Retry


async def test_submission_wakes_the_first_stage_only(world: World) -> None:
    workflow = await world.submit(prompt="a shelf of books")
    claim = await world.claim("plan", workflow)
    assert (claim.drop, claim.revision, claim.epoch, claim.attempt) == (f"{workflow}.plan.1", 1, 1, 1)
    assert claim.submission.prompt == "a shelf of books"
    assert claim.traceparent == "00-1-2-01"
    assert not claim.inputs
    assert await world.why("code", workflow) == "inputs missing"


async def test_unknown_workflow_and_other_tenants_are_the_same(world: World) -> None:
    workflow = await world.submit()
    assert await world.why("plan", "nobody") == "unknown"
    assert await world.look("plan", workflow, tenant="stranger") == NoClaim(reason="unknown")


async def test_a_claimed_row_is_leased_and_a_completed_one_done(world: World) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    assert await world.why("plan", workflow) == "leased"
    await world.drops.commit(claim, completed(claim))
    assert await world.why("plan", workflow) == "done"


async def test_inputs_are_every_ancestors_drop_and_are_frozen(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code", "suite", "check")
    claim = await world.claim("trial", workflow)
    assert {name: found.input.revision for name, found in claim.inputs.items()} == {
        "plan": 1,
        "code": 1,
        "suite": 1,
        "check": 1,
    }
    assert claim.inputs["code"].ref == ref(f"{workflow}.code.1")
    assert claim.inputs["code"].media_type == "application/json"
    kept = (await world.drop(workflow, "trial")).inputs
    assert {(found.stage, found.sha256) for found in kept} == {
        (name, found.ref.sha256) for name, found in claim.inputs.items()
    }


async def test_an_expired_lease_gives_the_next_epoch_and_fences_the_last(world: World) -> None:
    workflow = await world.submit()
    late = await world.claim("plan", workflow, lease_s=0.02)
    await asyncio.sleep(0.05)
    claim = await world.claim("plan", workflow)
    assert (claim.epoch, claim.attempt) == (2, 2)
    assert not await world.drops.renew(late, lease_s=30)
    await world.drops.release(late)
    assert (await world.drops.commit(late, completed(late))).state == "lost"
    assert (await world.drops.commit(claim, completed(claim))).state == "completed"


async def test_a_renewed_lease_holds(world: World) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow, lease_s=0.02)
    assert await world.drops.renew(claim, lease_s=30)
    await asyncio.sleep(0.05)
    assert await world.why("plan", workflow) == "leased"


async def test_a_retry_waits_then_counts(world: World) -> None:
    workflow = await world.submit()
    retried = await world.commit("plan", workflow, Retry(error="the model was busy", after_s=0.1))
    assert (retried.state, retried.events) == ("retry", ())
    assert await world.look("plan", workflow) == NoClaim(reason="waiting", error="the model was busy")
    await asyncio.sleep(0.15)
    assert (await world.claim("plan", workflow)).attempt == 2


async def test_a_released_row_is_runnable_and_the_attempt_does_not_count(world: World) -> None:
    workflow = await world.submit()
    await world.drops.release(await world.claim("plan", workflow))
    claim = await world.claim("plan", workflow)
    assert (claim.epoch, claim.attempt) == (2, 1)


async def test_the_claim_of_an_exhausted_row_ends_the_workflow(world: World) -> None:
    workflow = await world.submit()
    for _ in range(2):
        claim = await world.claim("plan", workflow, attempts=2)
        await world.drops.commit(claim, Retry(error="no luck\0", after_s=0))
    found = await world.look("plan", workflow, attempts=2)
    assert isinstance(found, NoClaim)
    assert found.reason == "exhausted"
    assert found.error == "gave up after 2 attempts: no luck\N{REPLACEMENT CHARACTER}"
    assert [event.id.partition(".")[2] for event in found.events] == ["plan.failed.1", "workflow.failed.1"]
    drop = await world.drop(workflow, "plan")
    assert (drop.state, drop.error, drop.attempts) == ("failed", found.error, 2)
    assert await world.state(workflow) == "failed"
    assert await world.told(workflow) == ["workflow.submitted.1", "plan.failed.1", "workflow.failed.1"]


async def test_a_row_whose_workers_die_is_exhausted_too(world: World) -> None:
    workflow = await world.submit()
    await world.claim("plan", workflow, lease_s=0, attempts=1)
    found = await world.look("plan", workflow, attempts=1)
    assert isinstance(found, NoClaim)
    assert found.error == "gave up after 1 attempts: each time its worker died or hung"


async def test_of_concurrent_claims_one_wins(world: World) -> None:
    workflow = await world.submit()
    found = await asyncio.gather(*(world.look("plan", workflow) for _ in range(10)))
    assert [type(claim) for claim in found].count(Claim) == 1
    assert {claim.reason for claim in found if isinstance(claim, NoClaim)} == {"leased"}


async def test_of_concurrent_branches_exactly_one_begins_the_join(world: World) -> None:
    async def branch(stage: str, workflow: str) -> Claim | NoClaim:
        await world.complete(workflow, stage)
        return await world.look("pack", workflow)

    for _ in range(20):
        workflow = await world.submit()
        await world.complete(workflow, "plan", "code", "suite", "check")
        found = await asyncio.gather(branch("trial", workflow), branch("scan", workflow))
        assert [type(claim) for claim in found].count(Claim) == 1


async def test_an_input_that_waits_to_be_retried_is_missing(world: World) -> None:
    workflow = await world.submit()
    await world.commit("plan", workflow, Retry(error="busy", after_s=0))
    assert await world.why("code", workflow) == "inputs missing"


async def test_a_rejected_input_is_missing(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code", "suite")
    await world.commit("check", workflow, rejected("code"))
    assert await world.why("trial", workflow) == "inputs missing"
