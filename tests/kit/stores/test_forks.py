"""Forks: what a new workflow begins with, on both stores; and the memo's look-up."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest
from ulid import ULID

from contracts.events import StageCompleted, WorkflowSubmitted
from contracts.topology import Topology
from tests.kit.stores.world import SMALL, TENANT, World, completed, data_of, ref, rejected
from workers.kit.stores import forks
from workers.kit.stores.asks import Asking
from workers.kit.stores.drops import Claim, Completed, Failed, KeyConflict, NoClaim
from workers.kit.stores.forks import Edited, Fork, Forked, NoFork, Plan
from workers.kit.stores.pg import Pool

ALL = ("plan", "code", "suite", "check", "scan", "trial", "pack")
MEMO = "ab" * 32


def wish(parent: str, stage: str, **changes: object) -> Fork:
    made = Fork(id=str(ULID()), tenant=TENANT, parent=parent, stage=stage, deadline_s=60, traceparent="00-1-2-01")
    return msgspec.structs.replace(made, **changes)


async def forked(world: World, parent: str, stage: str, **changes: object) -> Forked:
    done = await world.reads.fork(wish(parent, stage, **changes), SMALL, most=10)
    assert isinstance(done, Forked), done
    return done


async def refused(world: World, parent: str, stage: str, **changes: object) -> str:
    done = await world.reads.fork(wish(parent, stage, **changes), SMALL, most=10)
    assert isinstance(done, NoFork), done
    return done.code


async def finished(world: World) -> str:
    workflow = await world.submit()
    await world.complete(workflow, *ALL)
    return workflow


async def test_it_begins_with_what_the_ancestors_made_and_tells_it(world: World) -> None:
    parent = await finished(world)
    done = await forked(world, parent, "check")
    rows = await world.reads.drops(TENANT, done.id)
    assert [(row.stage, row.revision, row.state) for row in rows] == [
        ("code", 1, "completed"),
        ("plan", 1, "completed"),
    ]
    assert {row.stage: row.artifact for row in rows} == {
        "plan": ref(f"{parent}.plan.1"),
        "code": ref(f"{parent}.code.1"),
    }
    assert await world.told(done.id) == ["workflow.submitted.1", "plan.completed.1", "code.completed.1"]
    first, _, code = map(data_of, done.events)
    assert isinstance(first, WorkflowSubmitted)
    assert first.parent == parent
    assert isinstance(code, StageCompleted)
    assert (code.drop, code.reused, code.edited) == (f"{done.id}.code.1", f"{parent}.code.1", False)
    assert code.inputs == (await world.drop(parent, "code")).inputs


async def test_the_rest_runs_and_the_parent_stays_as_it_is(world: World) -> None:
    parent = await finished(world)
    before = await world.reads.drops(TENANT, parent), await world.reads.events(TENANT, parent)
    done = await forked(world, parent, "check")
    assert await world.why("plan", done.id) == await world.why("code", done.id) == "done"
    claim = await world.claim("check", done.id)
    assert claim.forked == "check"
    assert claim.inputs["code"].ref == ref(f"{parent}.code.1")
    await world.drops.commit(claim, completed(claim))
    await world.complete(done.id, "suite", "scan", "trial", "pack")
    assert await world.state(done.id) == "completed"
    assert (await world.reads.drops(TENANT, parent), await world.reads.events(TENANT, parent)) == before


async def test_only_the_newest_of_many_forks_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "SHOWN", 2)
    parent = await finished(world)
    made = sorted([(await forked(world, parent, "check")).id for _ in range(3)])
    assert await world.reads.forks(TENANT, parent) == made[1:]


async def test_each_knows_the_other(world: World) -> None:
    parent = await finished(world)
    made = [(await forked(world, parent, stage)).id for stage in ("check", "plan")]
    assert await world.reads.forks(TENANT, parent) == sorted(made)
    assert await world.reads.forks(TENANT, made[0]) == []
    assert await world.reads.forks("other", parent) == []
    found = await world.reads.workflow(TENANT, made[0])
    assert found
    assert (found.parent, found.state, found.prompt) == (parent, "active", "do it")


async def test_what_was_repaired_is_taken_over_as_it_was_in_the_end(world: World) -> None:
    parent = await world.submit()
    await world.complete(parent, "plan", "code", "suite")
    await world.commit("check", parent, rejected("code"))
    await world.complete(parent, "code", "check")
    done = await forked(world, parent, "check")
    code = await world.drop(done.id, "code")
    assert code.artifact == ref(f"{parent}.code.2")
    assert [(each.stage, each.revision) for each in code.inputs] == [("plan", 1)], "only a repair gets reports"
    told = data_of(done.events[-1])
    assert isinstance(told, StageCompleted)
    assert told.reused == f"{parent}.code.2"
    await world.commit("check", done.id, rejected("code"))
    assert (await world.claim("code", done.id)).revision == 2, "its rounds are its own"


@pytest.mark.parametrize("how", ["first", "repaired", "edited", "of a fork"])
async def test_what_only_a_repair_or_a_person_made_is_not_paid_for_again(world: World, how: str) -> None:
    parent = await world.submit()
    await world.complete(parent, "plan", "code", "suite")
    if how in {"repaired", "of a fork"}:
        await world.commit("check", parent, rejected("code"))
        await world.complete(parent, "code")
    await world.complete(parent, "check")
    if how == "edited":
        written = msgspec.structs.replace(ref("mine"), key=f"artifacts/{TENANT}/mine")
        edited = Edited(sha256=written.sha256, media_type="application/json", ref=written)
        done = await forked(world, parent, "code", edited=edited)
    else:
        done = await forked(world, parent, "check")
    if how == "of a fork":
        done = await forked(world, done.id, "check")
    check = await world.claim("check", done.id)
    assert await world.drops.rearm(check, ["code"], after_s=0)
    found = await world.drops.claim("code", TENANT, done.id, lease_s=30, attempts=5)
    if how == "first":
        assert isinstance(found, Claim)
        assert found.again
        return
    assert isinstance(found, NoClaim)
    why = "somebody wrote it" if how == "edited" else "it was taken over from revision 2 of another workflow"
    assert (found.reason, found.error) == ("exhausted", f"can't be made again: {why}")
    assert await world.state(done.id) == "failed"


async def test_what_the_memo_knew_of_another_revision_is_made_again_as_it_was_made_there(world: World) -> None:
    parent = await finished(world)
    fork = await forked(world, parent, "check")
    await world.complete(fork.id, "check")
    claim = await world.claim("suite", fork.id)
    found = msgspec.structs.replace(completed(claim), reused=f"{parent}.suite.3", memo=MEMO, memo_of=3)
    assert (await world.drops.commit(claim, found)).state == "completed"
    known = await world.drops.recall(TENANT, MEMO)
    assert known
    assert (known.revision, known.memo_of) == (1, 3)
    for _ in range(2):
        assert await world.drops.rearm(await world.claim("trial", fork.id), ["suite"], after_s=0)
        again = await world.claim("suite", fork.id)
        assert (again.revision, again.again, again.memo_of) == (1, True, 3)
        same = msgspec.structs.replace(found, reused="", memo_of=0)
        assert (await world.drops.commit(again, same)).state == "completed"
    second = await forked(world, fork.id, "trial")
    assert await world.drops.rearm(await world.claim("trial", second.id), ["suite"], after_s=0)
    why = await world.look("suite", second.id)
    assert isinstance(why, NoClaim)
    assert why.error == "can't be made again: it was taken over from revision 3 of another workflow"


async def test_from_the_first_stage_with_another_prompt(world: World) -> None:
    parent = await finished(world)
    done = await forked(world, parent, "plan", prompt="do something else")
    assert await world.reads.drops(TENANT, done.id) == []
    claim = await world.claim("plan", done.id)
    assert claim.submission.prompt == "do something else"
    assert await refused(world, parent, "code", prompt="do something else") == "prompt_needs_first"


async def test_an_edited_artifact_stands_in_its_stages_place(world: World) -> None:
    parent = await finished(world)
    written = msgspec.structs.replace(ref("mine"), key=f"artifacts/{TENANT}/mine")
    edited = Edited(sha256=written.sha256, media_type="application/json", ref=written)
    done = await forked(world, parent, "code", edited=edited)
    code = await world.drop(done.id, "code")
    assert (code.state, code.artifact) == ("completed", written)
    told = data_of(done.events[-1])
    assert isinstance(told, StageCompleted)
    assert (told.edited, told.reused, [each.stage for each in told.inputs]) == (True, "", ["plan"])
    assert (await world.claim("check", done.id)).inputs["code"].ref == written
    assert (done.plan.edited, done.plan.reused) == ("code", ("plan",))
    assert await refused(world, parent, "pack", edited=edited) == "edit_last"


ASKING = Topology(
    [msgspec.structs.replace(row, asks_model=row.name in {"plan", "code", "suite"}) for row in SMALL.stages.values()]
)


async def test_how_its_stages_ask_models_is_kept_with_it_and_in_its_forks(world: World) -> None:
    parent = await finished(world)
    assert await world.drops.asked(TENANT, parent) == {}
    first = wish(parent, "plan", model="strong", templates={"code": "Write."})
    done = await world.reads.fork(first, ASKING, most=10)
    assert isinstance(done, Forked)
    strong = Asking(model="strong")
    asked = {"plan": strong, "code": Asking(model="strong", template="Write."), "suite": strong}
    assert await world.drops.asked(TENANT, done.id) == asked
    assert await world.drops.asked("other", done.id) == {}
    shown = await world.reads.workflow(TENANT, done.id)
    assert shown is not None
    assert shown.asks == asked
    await world.complete(done.id, *ALL)
    then = await world.reads.fork(wish(done.id, "code", model="a/b"), ASKING, most=10)
    assert isinstance(then, Forked)
    assert await world.drops.asked(TENANT, then.id) == asked | {"code": Asking(model="a/b", template="Write.")}
    for stage, changes, code in (
        ("pack", {"model": "a/b"}, "nobody_asks"),
        ("code", {"templates": {"plan": "Plan."}}, "unknown_template"),
    ):
        no = await world.reads.fork(wish(parent, stage, **changes), ASKING, most=10)
        assert isinstance(no, NoFork)
        assert no.code == code


async def test_what_was_taken_over_asks_the_model_too_once_a_repair_goes_back_to_it(world: World) -> None:
    parent, code, suite = await finished(world), Asking(model="a/b", template="Write."), Asking(model="a/b")
    # What is unchanged, as the suite of a fork from the check, stays so, though a repair may come to it.
    for stage, asked in (("trial", {"code": code, "suite": suite}), ("check", {"code": code})):
        wished = wish(parent, stage, model="a/b", templates={"code": "Write."})
        done = await world.reads.fork(wished, ASKING, most=10)
        assert isinstance(done, Forked), done
        assert await world.drops.asked(TENANT, done.id) == asked


async def test_another_wish_for_a_model_is_another_wish() -> None:
    wishes = [wish("w", "plan", **more) for more in ({}, {"model": "a"}, {"model": "b"}, {"templates": {"plan": "a"}})]
    assert len({forks.body_sha256(one) for one in wishes}) == 4


async def test_a_dry_run_writes_nothing(world: World) -> None:
    parent = await finished(world)
    done = await world.reads.fork(wish(parent, "check", dry=True), SMALL, most=10)
    assert done == Plan(
        stage="check", reused=("plan", "code"), runs=("check", "trial", "pack"), unchanged=("suite", "scan")
    )
    assert [row.id for row in await world.reads.workflows(TENANT, before="", limit=9)] == [parent]


async def test_why_there_is_none(world: World) -> None:
    parent = await world.submit()
    assert await refused(world, str(ULID()), "plan") == "unknown_workflow"
    assert await refused(world, parent, "plam") == "unknown_stage"
    assert await refused(world, parent, "code") == "stage_not_finished"
    assert await refused(world, await world.submit(tenant="other"), "plan") == "unknown_workflow"
    await world.complete(parent, "plan")
    await world.commit("code", parent, Failed(error="no"))
    assert await refused(world, parent, "check") == "stage_not_finished"
    assert (await forked(world, parent, "code")).created, "from what failed there is a way on"
    full = await world.reads.fork(wish(parent, "code"), SMALL, most=1)
    assert isinstance(full, NoFork)
    assert full.code == "full"


async def test_a_key_gives_the_same_fork(world: World) -> None:
    parent = await finished(world)
    first, second = await asyncio.gather(*(forked(world, parent, "check", idempotency_key="k") for _ in range(2)))
    assert first.id == second.id
    assert sorted((first.created, second.created)) == [False, True]
    assert len(await world.reads.forks(TENANT, parent)) == 1
    for stage, other in (("code", parent), ("check", await finished(world))):
        with pytest.raises(KeyConflict):
            await world.reads.fork(wish(other, stage, idempotency_key="k"), SMALL, most=10)


async def test_a_key_is_answered_whatever_has_become_of_the_parent(world: World) -> None:
    parent = await world.submit()
    await world.complete(parent, "plan", "code")
    edited = Edited(sha256="e" * 64, media_type="application/json")
    first = await forked(world, parent, "check", idempotency_key="k")
    assert await world.drops.rearm(await world.claim("scan", parent), ["code"], after_s=0)
    assert await refused(world, parent, "check") == "stage_not_finished"
    assert (await forked(world, parent, "check", idempotency_key="k")).id == first.id
    with pytest.raises(KeyConflict):
        await world.reads.fork(wish(parent, "check", idempotency_key="k", sent="s", edited=edited), SMALL, most=10)


async def memoed(world: World, workflow: str, stage: str, memo: str = MEMO) -> None:
    claim = await world.claim(stage, workflow)
    await world.drops.commit(claim, msgspec.structs.replace(completed(claim), memo=memo))


async def test_the_memo_knows_what_is_completed(world: World) -> None:
    first, second = await world.submit(), await world.submit()
    assert await world.drops.recall(TENANT, MEMO) is None
    await memoed(world, first, "plan")
    await memoed(world, second, "plan")
    found = await world.drops.recall(TENANT, MEMO)
    assert found
    newest = max(first, second)
    assert (found.id, found.artifact) == (f"{newest}.plan.1", ref(f"{newest}.plan.1"))
    assert await world.drops.recall("other", MEMO) is None, "it never crosses tenants"
    assert await world.drops.recall(TENANT, "cd" * 32) is None


async def test_the_memo_knows_nothing_whose_bytes_are_lost_or_whose_findings_stand(world: World) -> None:
    workflow = await world.submit()
    await memoed(world, workflow, "plan")
    code = await world.claim("code", workflow)
    assert await world.drops.rearm(code, ["plan"], after_s=0)
    assert await world.drops.recall(TENANT, MEMO) is None
    again = await world.claim("plan", workflow)
    assert again.epoch == 2
    await world.drops.commit(again, msgspec.structs.replace(completed(again), memo=MEMO))
    assert await world.drops.recall(TENANT, MEMO)


async def test_what_was_taken_over_is_told(world: World) -> None:
    parent = await finished(world)
    fork = await forked(world, parent, "plan")
    claim = await world.claim("plan", fork.id)
    outcome = Completed(artifact=ref("x"), media_type="application/json", memo=MEMO, reused=f"{parent}.plan.1")
    done = await world.drops.commit(claim, outcome)
    told = data_of(done.events[0])
    assert isinstance(told, StageCompleted)
    assert told.reused == f"{parent}.plan.1"


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ("artifact_sha256 = artifact_sha256", True),
        ("artifact_sha256 = repeat('0', 64)", False),
        ("artifact_key = 'artifacts/other/x'", False),
        ("state = 'running'", False),
        ("state = 'rejected'", False),
        ("revision = 2", False),
        ("epoch = 9", False),
        ("attempts = 3", False),
        ("opens = 2", False),
        ("memo_key = '\\x00'", False),
        ("unmet = true", False),
        ("stage = 'check'", False),
        ("stage = 'trial'", False),
    ],
)
async def test_the_gateway_may_copy_and_nothing_else(
    pg_world: World, gateway_pool: Pool, change: str, allowed: bool
) -> None:
    parent = await pg_world.submit()
    await pg_world.complete(parent, "plan", "code", "check")
    column, _, value = change.partition(" = ")
    given = {
        "workflow_id": "$1",
        "tenant": "tenant",
        "revision": "revision",
        "epoch": "1",
        "attempts": "0",
        "created_at": "now()",
        "updated_at": "now()",
    }
    same = ("stage", "state", "artifact_key", "artifact_offset", "artifact_length", "artifact_sha256", "media_type")
    given |= {name: name for name in (*same, "opens", "unmet")} | {column: value}
    copy = f"""
        INSERT INTO drops ({", ".join(given)}) SELECT {", ".join(given.values())} FROM drops
        WHERE workflow_id = $2 AND stage = 'code'
    """  # noqa: S608  # the columns above
    async with gateway_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('ql.tenant', 'default', true)")
        await connection.execute(
            """INSERT INTO workflows (id, tenant, prompt, language, body_sha256, parent, forked, deadline, created_at)
            VALUES ('W', 'default', 'p', 'python', '', $1, 'check', now(), now())""",
            parent,
        )
        if allowed:
            assert await connection.execute(copy, "W", parent) == "INSERT 0 1"
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(copy, "W", parent)


async def test_the_gateway_copies_into_forks_only(pg_world: World, gateway_pool: Pool) -> None:
    parent, other = await pg_world.submit(), await pg_world.submit()
    await pg_world.complete(parent, "plan")
    insert = """
        INSERT INTO drops (
            workflow_id, tenant, stage, revision, state, epoch, attempts, artifact_key, artifact_offset,
            artifact_length, artifact_sha256, media_type, created_at, updated_at
        )
        SELECT $1, tenant, stage, 1, state, 1, 0, artifact_key, artifact_offset, artifact_length, artifact_sha256,
            media_type, now(), now()
        FROM drops WHERE workflow_id = $2
    """
    event = "INSERT INTO events VALUES ($1, $1 || '.plan.completed.1', 'default', 'plan', $2, '', now())"
    async with gateway_pool.acquire() as connection:
        for statement, *values in ((insert, other, parent), (event, other, f"ql.evt.default.{other}.plan.completed.1")):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SELECT set_config('ql.tenant', 'default', true)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(statement, *values)
            await transaction.rollback()
