"""Hand-over: what a commit claims with it, on both stores; and what it leaves to the messages."""

from __future__ import annotations

import msgspec

from tests.kit.stores.world import TENANT, World, completed, rejected
from workers.kit.stores.drops import Claim, Committed, Completed
from workers.kit.stores.handover import Heir


def heirs(*stages: str, takes: tuple[str, ...] = ()) -> list[Heir]:
    return [Heir(stage=stage, takes=frozenset(takes), lease_s=30) for stage in stages]


async def commit(world: World, claim: Claim, *stages: str, takes: tuple[str, ...] = ()) -> Committed:
    return await world.drops.commit(claim, completed(claim), heirs=heirs(*stages, takes=takes))


async def test_the_claim_is_the_one_that_a_message_would_have_got(world: World) -> None:
    workflow, other = await world.submit(), await world.submit()
    await world.complete(other, "plan")
    asked = await world.claim("code", other)
    done = await commit(world, await world.claim("plan", workflow), "code", takes=("plan",))
    (handed,) = done.handed
    asked_drop, handed_drop = await world.drop(other, "code"), await world.drop(workflow, "code")
    renamed = {"drop": asked.drop, "workflow": other, "inputs": asked.inputs}
    assert msgspec.structs.replace(handed, **renamed) == asked
    assert [each.input.stage for each in handed.inputs.values()] == ["plan"]
    assert (handed_drop.state, handed_drop.attempts) == ("running", 1) == (asked_drop.state, asked_drop.attempts)
    assert handed_drop.inputs == tuple(each.input for each in handed.inputs.values())
    assert await world.why("code", workflow) == "leased", "whoever gets the message has nothing to do"
    assert await world.told(workflow) == ["workflow.submitted.1", "plan.completed.1"]
    assert await world.drops.renew(handed, lease_s=30)
    assert (await world.drops.commit(handed, completed(handed))).state == "completed"


async def test_all_that_waited_for_it_alone(world: World) -> None:
    workflow = await world.submit()
    done = await commit(world, await world.claim("plan", workflow), "code", "suite")
    assert {claim.stage for claim in done.handed} == {"code", "suite"}
    assert (await commit(world, next(c for c in done.handed if c.stage == "suite"), "trial")).handed == (), "a join"


async def test_what_it_takes_must_be_known(world: World) -> None:
    first, second = await world.submit(), await world.submit()
    (code,) = (await commit(world, await world.claim("plan", first), "code")).handed
    (check,) = (await commit(world, code, "check", takes=("plan",))).handed
    assert set(check.inputs) == {"plan", "code"}
    (code,) = (await commit(world, await world.claim("plan", second), "code")).handed
    assert (await commit(world, code, "check", takes=("suite",))).handed == ()


async def test_what_was_known_is_handed_on(world: World) -> None:
    """Though the claim in between does not take it."""
    workflow = await world.submit()
    (code,) = (await commit(world, await world.claim("plan", workflow), "code")).handed
    (scan,) = (await commit(world, code, "scan")).handed
    assert (set(scan.inputs), set(scan.known)) == ({"code"}, {"plan"})


async def test_a_row_that_is_there_is_nobodys_inheritance(world: World) -> None:
    """As when the process that was handed a row is asked to commit once more, or work was made again."""
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    code = await world.claim("code", workflow)
    await world.drops.rearm(code, ["plan"], after_s=0)
    again = await world.claim("plan", workflow)
    done = await commit(world, again, "code", "suite")
    assert (done.state, done.handed) == ("completed", ())


async def test_nothing_is_handed_over_once_work_was_sent_back(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    suite = await world.claim("suite", workflow)
    await world.commit("check", workflow, rejected("code"))
    code = await world.claim("code", workflow)
    assert (await commit(world, code, "scan")).handed == ()
    assert (await commit(world, suite, "trial")).handed == ()
    assert (await world.claim("scan", workflow)).revision == 2


async def test_nothing_is_handed_over_by_who_has_lost(world: World) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    await world.reads.cancel(TENANT, workflow, reason="enough")
    assert await commit(world, claim, "code", "suite") == Committed(state="lost")
    assert [drop.stage for drop in await world.reads.drops(TENANT, workflow)] == ["plan"]


async def test_nothing_is_handed_over_by_another_outcome(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    check = await world.claim("check", workflow)
    done = await world.drops.commit(check, rejected("code"), heirs=heirs("trial", "pack"))
    assert (done.state, done.handed) == ("rejected", ())


async def test_an_heir_whose_lease_has_passed_is_woken(world: World) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    late = [Heir(stage="code", takes=frozenset(), lease_s=-1)]
    (first,) = (await world.drops.commit(claim, completed(claim), heirs=late)).handed
    assert await world.drops.runnable("code", absent_s=None, limit=9) == [(TENANT, workflow)]
    second = await world.claim("code", workflow)
    assert second.epoch == first.epoch + 1
    ref = Completed(artifact=completed(first).artifact, media_type="x/y")
    assert (await world.drops.commit(first, ref)).state == "lost"


async def test_what_came_with_a_commit_can_be_disowned_by_it_alone(world: World) -> None:
    workflow = await world.submit()
    plan = await world.claim("plan", workflow)
    (code,) = (await commit(world, plan, "code")).handed
    await world.drops.disown(msgspec.structs.replace(plan, epoch=plan.epoch + 1), heirs("code"))
    assert (await world.drop(workflow, "code")).state == "running", "the commit was another's"
    await world.drops.disown(plan, heirs("code", "suite"))
    assert not await world.drops.renew(code, lease_s=30)
    again = await world.claim("code", workflow)
    assert (again.epoch, again.attempt) == (2, 1)
    await world.drops.disown(plan, heirs("code"))
    assert await world.drops.renew(again, lease_s=30), "it has been claimed since"


async def test_what_another_claimed_after_a_commit_that_handed_nothing_over_stays_its_own(world: World) -> None:
    workflow = await world.submit()
    plan = await world.claim("plan", workflow)
    assert (await commit(world, plan)).handed == ()
    others = await world.claim("code", workflow)
    await world.drops.disown(plan, heirs("code"))
    assert await world.drops.renew(others, lease_s=30)
