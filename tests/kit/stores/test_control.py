"""Cancel and resume: what a person may do to a workflow, once, at whatever state it is in."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from contracts.events import WorkflowCancelled, WorkflowResumed
from tests.kit.stores.world import SMALL, TENANT, World, completed, data_of, rejected
from workers.kit.stores.drops import Claim, Controlled, Failed, NoClaim, Retry
from workers.kit.stores.pg import Pool

ALL = ("plan", "code", "suite", "check", "scan", "trial", "pack")


async def cancel(world: World, workflow: str, reason: str = "enough") -> Controlled:
    done = await world.reads.cancel(TENANT, workflow, reason=reason)
    assert done
    return done


async def failed(world: World) -> str:
    """A workflow whose code failed while its suite was being written."""
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    await world.claim("suite", workflow)
    await world.commit("code", workflow, Failed(error="no"))
    return workflow


async def test_a_cancelled_workflow_ends_with_its_open_rows(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    claim = await world.claim("code", workflow)
    await world.commit("suite", workflow, Retry(error="busy", after_s=0))
    done = await cancel(world, workflow, "typo\0")
    assert (done.done, done.workflow.state, done.workflow.error) == (True, "cancelled", "typo\N{REPLACEMENT CHARACTER}")
    assert done.workflow.ended_at
    (told,) = done.events
    assert data_of(told) == WorkflowCancelled(tenant=TENANT, workflow=workflow, reason="typo\N{REPLACEMENT CHARACTER}")
    assert {(await world.drop(workflow, stage)).state for stage in ("code", "suite")} == {"closed"}
    assert (await world.drop(workflow, "plan")).state == "completed"
    assert not await world.drops.renew(claim, lease_s=30)
    assert (await world.drops.commit(claim, completed(claim))).state == "lost"
    assert {await world.why(stage, workflow) for stage in SMALL.stages} == {"ended"}


@pytest.mark.parametrize("done", range(len(ALL)))
async def test_a_cancel_is_terminal_once_wherever_the_workflow_is(world: World, done: int) -> None:
    workflow = await world.submit()
    await world.complete(workflow, *ALL[:done])
    claim = await world.claim(ALL[done], workflow)
    first, second = await asyncio.gather(cancel(world, workflow), cancel(world, workflow))
    assert {first.done, second.done} == {True, False}
    assert len((*first.events, *second.events)) == 1
    assert (await world.drops.commit(claim, completed(claim))).state == "lost"
    assert not (await cancel(world, workflow)).done
    ends = [name for name in await world.told(workflow) if name.startswith("workflow.")]
    assert ends == ["workflow.submitted.1", "workflow.cancelled.1"]


async def test_what_has_ended_is_not_cancelled(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, *ALL)
    done = await cancel(world, workflow)
    assert (done.done, done.workflow.state, done.events) == (False, "completed", ())
    broken = await failed(world)
    assert not (await cancel(world, broken)).done
    assert await world.state(broken) == "failed"


async def test_nobody_cancels_or_resumes_what_is_not_his(world: World) -> None:
    workflow, broken = await world.submit(), await failed(world)
    assert await world.reads.cancel("other", workflow, reason="") is None
    assert await world.reads.resume("other", broken, deadline_s=1) is None
    assert await world.reads.cancel(TENANT, "nothing", reason="") is None
    assert (await world.state(workflow), await world.state(broken)) == ("active", "failed")


async def test_a_cancel_is_told_at_the_newest_revision(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    await world.commit("check", workflow, rejected("code"))
    await cancel(world, workflow)
    assert (await world.told(workflow))[-1] == "workflow.cancelled.2"


@pytest.mark.parametrize("turn", range(5))
async def test_of_cancel_and_commit_one_wins(world: World, turn: int) -> None:
    workflow = await world.submit()
    await world.complete(workflow, *ALL[:-1])
    claim = await world.claim("pack", workflow)
    wishes = [cancel(world, workflow), world.drops.commit(claim, completed(claim))]
    await asyncio.gather(*(wishes if turn % 2 else reversed(wishes)))
    told = [name for name in await world.told(workflow) if name.startswith("workflow.")]
    assert told == ["workflow.submitted.1", f"workflow.{await world.state(workflow)}.1"]
    assert (await world.drop(workflow, "pack")).state == (
        "completed" if await world.state(workflow) == "completed" else "closed"
    )


@pytest.mark.parametrize("turn", range(5))
async def test_no_claim_survives_a_cancel(world: World, turn: int) -> None:
    workflow = await world.submit()
    wishes = [cancel(world, workflow), world.look("plan", workflow)]
    found = await asyncio.gather(*(wishes if turn % 2 else reversed(wishes)))
    claim = next(each for each in found if isinstance(each, Claim | NoClaim))
    if isinstance(claim, Claim):
        assert not await world.drops.renew(claim, lease_s=30)
        assert (await world.drop(workflow, "plan")).state == "closed"
    else:
        assert claim.reason == "ended"


async def test_a_resumed_workflow_goes_on_at_the_stage_that_failed(world: World) -> None:
    workflow = await failed(world)
    done = await world.reads.resume(TENANT, workflow, deadline_s=3600)
    assert done
    assert (done.done, done.workflow.state, done.workflow.error, done.workflow.ended_at) == (True, "active", "", "")
    (told,) = done.events
    assert data_of(told) == WorkflowResumed(tenant=TENANT, workflow=workflow, opens=2, target="code")
    assert told.subject == f"ql.evt.{TENANT}.{workflow}.workflow.resumed.2"
    drop = await world.drop(workflow, "code")
    assert (drop.state, drop.opens, drop.target) == ("failed", 2, "code")
    await world.complete(workflow, "code", "suite", "check", "scan", "trial", "pack")
    assert {(await world.drop(workflow, stage, 2)).state for stage in ("code", "check", "scan", "trial", "pack")} == {
        "completed"
    }
    assert (await world.drop(workflow, "suite")).state == "completed"
    assert (await world.told(workflow))[-1] == "workflow.completed.2"


async def test_a_deadline_is_moved_only_if_it_is_near(world: World) -> None:
    near, far = await failed(world), await failed(world)
    before = await world.reads.workflow(TENANT, far)
    for workflow, deadline_s in ((near, 3600), (far, 1)):
        done = await world.reads.resume(TENANT, workflow, deadline_s=deadline_s)
        assert done
    found = await world.reads.workflow(TENANT, near)
    assert before
    assert found
    assert found.deadline > before.deadline
    assert (await world.reads.workflow(TENANT, far) or found).deadline == before.deadline


async def test_a_second_failure_has_a_subject_of_its_own(world: World) -> None:
    workflow = await failed(world)
    await world.resume(workflow)
    await world.commit("code", workflow, Failed(error="again"))
    await world.resume(workflow)
    assert await world.told(workflow) == [
        "workflow.submitted.1",
        "plan.completed.1",
        "code.failed.1",
        "workflow.failed.1",
        "workflow.resumed.2",
        "code.failed.2",
        "workflow.failed.2",
        "workflow.resumed.3",
    ]
    assert (await world.drop(workflow, "code", 1)).opens == 2
    assert (await world.claim("code", workflow)).revision == 3


async def test_a_workflow_is_resumed_once_by_two(world: World) -> None:
    workflow = await failed(world)
    both = await asyncio.gather(*(world.reads.resume(TENANT, workflow, deadline_s=60) for _ in range(2)))
    assert {done.done for done in both if done} == {True, False}
    assert [name for name in await world.told(workflow) if "resumed" in name] == ["workflow.resumed.2"]


@pytest.mark.parametrize("end", ["active", "completed", "cancelled", "expired"])
async def test_only_what_failed_is_resumed(world: World, end: str) -> None:
    workflow = await world.submit(deadline_s=0 if end == "expired" else 60)
    if end == "completed":
        await world.complete(workflow, *ALL)
    elif end == "cancelled":
        await cancel(world, workflow)
    elif end == "expired":
        await world.drops.expire(limit=5)
    done = await world.reads.resume(TENANT, workflow, deadline_s=60)
    assert done
    assert (done.done, done.workflow.state, done.events) == (False, end, ())


async def test_a_row_that_had_no_attempt_left_can_be_resumed(world: World) -> None:
    workflow = await world.submit()
    await world.claim("plan", workflow, lease_s=0, attempts=1)
    assert isinstance(await world.look("plan", workflow, attempts=1), NoClaim)
    await world.resume(workflow)
    claim = await world.claim("plan", workflow)
    assert (claim.revision, claim.attempt) == (2, 1)


# What the gateway's role may do by itself, whatever its program asks for.

NOT_ALLOWED = {
    "active": [
        "UPDATE workflows SET state = 'completed', ended_at = now()",
        "UPDATE workflows SET state = 'failed', ended_at = now()",
        "UPDATE workflows SET state = 'cancelled'",
        "UPDATE workflows SET state = 'expired', ended_at = now()",
        "UPDATE workflows SET deadline = deadline + interval '1 day'",
        "UPDATE workflows SET error = 'x'",
        "UPDATE workflows SET admitted_at = now()",
        "UPDATE drops SET state = 'retry', retry_at = NULL, lease_until = NULL WHERE stage = 'suite'",
        "UPDATE drops SET state = 'completed', lease_until = NULL WHERE stage = 'suite'",
        "UPDATE drops SET lease_until = now() + interval '1 day' WHERE stage = 'suite'",
        "UPDATE drops SET state = 'failed', opens = 7, target = 'suite', lease_until = NULL WHERE stage = 'suite'",
        "UPDATE drops SET state = 'closed', opens = 7, target = 'suite', lease_until = NULL WHERE stage = 'suite'",
        "UPDATE drops SET state = 'closed' WHERE stage = 'plan'",
        "UPDATE drops SET opens = 7, target = 'plan' WHERE stage = 'plan'",
    ],
    "failed": [
        "UPDATE workflows SET state = 'cancelled', ended_at = now()",
        "UPDATE workflows SET state = 'active'",
        "UPDATE workflows SET state = 'active', ended_at = NULL, deadline = deadline - interval '1 day'",
        "UPDATE workflows SET error = ''",
        "UPDATE drops SET opens = 2, target = 'plan' WHERE stage = 'code'",
        "UPDATE drops SET opens = 1, target = 'code' WHERE stage = 'code'",
        "UPDATE drops SET state = 'completed' WHERE stage = 'code'",
    ],
    "completed": [
        "UPDATE workflows SET state = 'active', ended_at = NULL",
        "UPDATE workflows SET state = 'cancelled', ended_at = now()",
        "UPDATE workflows SET state = 'expired', ended_at = now()",
    ],
    "overdue": [
        "UPDATE workflows SET state = 'expired'",
        "UPDATE workflows SET state = 'expired', ended_at = now(), deadline = deadline - interval '1 day'",
        "UPDATE workflows SET state = 'expired', ended_at = now(), newest = 2",
        "UPDATE workflows SET state = 'completed', ended_at = now()",
        "UPDATE workflows SET state = 'failed', ended_at = now()",
    ],
}


@pytest.mark.parametrize("state", NOT_ALLOWED)
async def test_the_gateway_moves_nothing_else(pg_world: World, gateway_pool: Pool, state: str) -> None:
    if state == "failed":
        await failed(pg_world)
    else:
        workflow = await pg_world.submit(deadline_s=0 if state == "overdue" else 60)
        await pg_world.complete(workflow, *(ALL if state == "completed" else ("plan",)))
        if state == "active":
            await pg_world.claim("suite", workflow)
    for statement in NOT_ALLOWED[state]:
        async with gateway_pool.acquire() as gateway, gateway.transaction():
            await gateway.execute("SELECT set_config('ql.tenant', $1, true)", TENANT)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await gateway.execute(statement)


async def test_the_gateway_moves_nothing_of_another_tenant(pg_world: World, gateway_pool: Pool) -> None:
    await failed(pg_world)
    for statement in (
        "UPDATE workflows SET state = 'active', ended_at = NULL RETURNING true",
        "UPDATE drops SET opens = 2, target = 'code' WHERE stage = 'code' RETURNING true",
    ):
        async with gateway_pool.acquire() as gateway, gateway.transaction():
            await gateway.execute("SELECT set_config('ql.tenant', 'other', true)")
            assert not await gateway.fetch(statement)
