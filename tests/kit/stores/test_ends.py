"""How a workflow ends, once."""

from __future__ import annotations

import asyncio

import pytest

from contracts.events import StageFailed, WorkflowCompleted, WorkflowExpired, WorkflowFailed
from tests.kit.stores.world import World, completed, data_of, ref
from workers.kit.stores.drops import CapsuleHead, Committed, Completed, DeadLetter, Failed, Retry

SPENT = "busy (the 20 further attempts of a workflow are spent)"
ALL_BUT_PACK = ("plan", "code", "suite", "check", "scan", "trial")


async def test_the_last_stage_completes_the_workflow(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, *ALL_BUT_PACK)
    head = CapsuleHead(name="bookshelf", grade="A", reasons=("all tests pass",))
    done = await world.commit(
        "pack", workflow, Completed(artifact=ref("tar"), media_type="application/gzip", capsule=head)
    )
    assert [event.stage for event in done.events] == ["pack", "workflow"]
    told = data_of(done.events[1])
    assert isinstance(told, WorkflowCompleted)
    assert (told.name, told.grade, told.reasons) == ("bookshelf", "A", ("all tests pass",))
    assert (told.sha256, told.size, told.address) == (ref("tar").sha256, 3, f"/v1/workflows/{workflow}/capsule")
    found = await world.reads.workflow("default", workflow)
    assert found
    assert (found.state, bool(found.ended_at), found.error) == ("completed", True, "")
    assert (await world.told(workflow))[-2:] == ["pack.completed.1", "workflow.completed.1"]
    assert await world.why("plan", workflow) == "ended"


async def test_a_capsule_with_endless_reasons_is_delivered_all_the_same(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, *ALL_BUT_PACK)
    head = CapsuleHead(name="bookshelf", grade="F", reasons=("worst first",) + ("\1" * 5000,) * 500)
    done = await world.commit(
        "pack", workflow, Completed(artifact=ref("tar"), media_type="application/gzip", capsule=head)
    )
    told = data_of(done.events[1])
    assert isinstance(told, WorkflowCompleted)
    assert told.reasons == ("worst first",) + ("\1" * 500,) * 9
    assert await world.state(workflow) == "completed"


async def test_a_failed_stage_ends_the_workflow_and_closes_what_is_open(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    other = await world.claim("suite", workflow)
    done = await world.commit("code", workflow, Failed(error="x" * 5000 + "\0"))
    stage, end = (data_of(event) for event in done.events)
    assert isinstance(stage, StageFailed)
    assert isinstance(end, WorkflowFailed)
    assert (stage.attempts, end.stage, len(end.error)) == (1, "code", 2000)
    assert await world.state(workflow) == "failed"
    assert (await world.drop(workflow, "suite")).state == "closed"
    assert not await world.drops.renew(other, lease_s=30)
    assert (await world.drops.commit(other, completed(other))).state == "lost"
    assert (await world.drop(workflow, "suite")).artifact is None


async def test_a_workflow_has_so_many_further_attempts_and_no_more(world: World) -> None:
    """Whatever each of its stages may have; the first of each costs none of them, and a resumption gives new ones."""
    workflow = await world.submit()
    for stage, attempts in {"plan": 8, "code": 8, "suite": 7}.items():
        for _ in range(attempts - 1):
            assert (await _retry(world, stage, workflow)).state == "retry"
        if stage != "suite":
            await _complete(world, stage, workflow)
    # 7 + 7 + 6 further attempts were begun, and the one at hand would be followed by another.
    claim = await world.claim("suite", workflow, attempts=99)
    done = await world.drops.commit(claim, Retry(error="busy", after_s=0), _letter)
    assert (done.state, done.letter and done.letter.reason) == ("failed", SPENT)
    assert await world.state(workflow) == "failed"
    assert [event.stage for event in done.events] == ["suite", "workflow"]
    assert (await world.drop(workflow, "suite")).error == SPENT
    await world.resume(workflow)
    assert (await _retry(world, "suite", workflow)).state == "retry"


async def _retry(world: World, stage: str, workflow: str) -> Committed:
    return await world.drops.commit(
        await world.claim(stage, workflow, attempts=99), Retry(error="busy", after_s=0), _letter
    )


async def _complete(world: World, stage: str, workflow: str) -> None:
    claim = await world.claim(stage, workflow, attempts=99)
    await world.drops.commit(claim, completed(claim))


def _letter(reason: str, drop: str) -> DeadLetter:
    return DeadLetter(
        id=drop,
        tenant="default",
        workflow=drop[:26],
        stage="suite",
        reason=reason,
        kind="work",
        subject="s",
        headers="",
        body=b"",
        sha256="0" * 64,
    )


async def test_a_waiting_row_is_closed_too(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    await world.commit("suite", workflow, Retry(error="busy", after_s=0))
    await world.commit("code", workflow, Failed(error="no"))
    assert (await world.drop(workflow, "suite")).state == "closed"


async def test_the_first_terminal_state_wins(world: World) -> None:
    workflow = await world.submit(deadline_s=0)
    claim = await world.claim("plan", workflow)
    failed, expired = await asyncio.gather(world.drops.commit(claim, Failed(error="no")), world.drops.expire(limit=10))
    assert await world.state(workflow) == ("failed" if failed.events else "expired")
    assert bool(failed.events) != bool(expired)
    assert len(await world.told(workflow)) == (3 if failed.events else 2)


async def test_a_closed_row_is_claimed_anew_when_the_workflow_goes_on(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    await world.claim("suite", workflow)
    await world.commit("code", workflow, Failed(error="no"))
    await world.resume(workflow)
    again = await world.claim("suite", workflow)
    assert (again.revision, again.epoch, again.attempt) == (1, 2, 1)
    code = await world.claim("code", workflow)
    assert (code.revision, code.epoch, dict(code.repair)) == (2, 1, {})


async def test_expiry_ends_overdue_workflows_only(world: World) -> None:
    late, early = await world.submit(deadline_s=0), await world.submit(deadline_s=60)
    await world.claim("plan", late)
    (event,) = await world.drops.expire(limit=10)
    told = data_of(event)
    assert isinstance(told, WorkflowExpired)
    found = await world.reads.workflow("default", late)
    assert found
    assert (found.state, told.deadline) == ("expired", found.deadline)
    assert await world.state(early) == "active"
    assert (await world.drop(late, "plan")).state == "closed"
    assert not await world.drops.expire(limit=10)


async def test_the_gateway_too_ends_what_is_overdue_and_only_once(world: World) -> None:
    late, early = await world.submit(deadline_s=0), await world.submit(deadline_s=60)
    claim = await world.claim("plan", late)
    (event,) = await world.reads.expire(limit=10)
    assert (event.workflow, event.id) == (late, f"{late}.workflow.expired.1")
    assert (await world.state(late), await world.state(early)) == ("expired", "active")
    assert (await world.drop(late, "plan")).state == "closed"
    assert (await world.drops.commit(claim, completed(claim))).state == "lost"
    assert [*await world.reads.expire(limit=10), *await world.drops.expire(limit=10)] == []
    assert await world.told(late) == ["workflow.submitted.1", "workflow.expired.1"]


async def test_a_worker_and_a_gateway_end_it_at_the_same_moment_once(world: World) -> None:
    late = [await world.submit(deadline_s=0) for _ in range(5)]
    ended = await asyncio.gather(world.reads.expire(limit=10), world.drops.expire(limit=10))
    more = [*await world.reads.expire(limit=10), *await world.drops.expire(limit=10)]
    assert sorted(event.workflow for events in (*ended, more) for event in events) == sorted(late)


async def test_expiry_takes_at_most_its_limit_oldest_first(world: World) -> None:
    late = [await world.submit(deadline_s=0) for _ in range(3)]
    first = [event.workflow for event in await world.drops.expire(limit=2)]
    assert first == sorted(late)[:2]
    assert [event.workflow for event in await world.drops.expire(limit=2)] == sorted(late)[2:]


@pytest.mark.parametrize("grade", ["", "C"])
async def test_a_pipeline_without_a_capsule_completes_too(world: World, grade: str) -> None:
    workflow = await world.submit()
    await world.complete(workflow, *ALL_BUT_PACK)
    head = CapsuleHead(name="n", grade=grade, reasons=()) if grade else None
    done = await world.commit("pack", workflow, Completed(artifact=ref("tar"), media_type="x/y", capsule=head))
    told = data_of(done.events[1])
    assert isinstance(told, WorkflowCompleted)
    assert told.grade == grade
