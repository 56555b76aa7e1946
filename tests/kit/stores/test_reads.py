"""The gateway's side: submitting once, and reading one tenant's things."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import asyncpg
import msgspec
import pytest
from ulid import ULID

from contracts.artifacts import Submission
from contracts.events import WorkflowSubmitted
from tests.kit.stores.world import World, data_of, ref, rejected
from workers.kit.stores.drops import KeyConflict, NewWorkflow
from workers.kit.stores.pg import PgReads, open_pool


def new(prompt: str = "a library", *, key: str = "", tenant: str = "default", id: str = "") -> NewWorkflow:
    return NewWorkflow(
        id=id or str(ULID()),
        tenant=tenant,
        submission=Submission(prompt=prompt),
        deadline_s=60,
        idempotency_key=key,
    )


async def test_a_submission_is_written_with_its_event(world: World) -> None:
    asked = new("a library, größer")
    done = await world.reads.submit(asked, most=1000)
    assert (done.id, done.created) == (asked.id, True)
    told = data_of(done.events[0])
    assert told == WorkflowSubmitted(
        tenant="default", workflow=asked.id, prompt_sha256=sha256("a library, größer".encode()).hexdigest()
    )
    assert list(await world.reads.events("default", asked.id)) == list(done.events)
    found = await world.reads.workflow("default", asked.id)
    assert found
    assert (found.state, found.prompt, found.language) == ("active", "a library, größer", "python")
    assert found.created_at < found.deadline


async def test_the_same_key_and_body_is_the_same_workflow(world: World) -> None:
    first, second = new(key="k"), new(key="k")
    done = await world.reads.submit(first, most=1000)
    again = await world.reads.submit(second, most=1000)
    assert (again.id, again.created) == (first.id, False)
    assert again.events == done.events, "what was written and never published is handed out again"
    assert await world.reads.workflow("default", second.id) is None


async def test_the_same_key_with_another_body_is_a_conflict(world: World) -> None:
    await world.reads.submit(new(key="k"), most=1000)
    with pytest.raises(KeyConflict):
        await world.reads.submit(new("another", key="k"), most=1000)


async def test_keys_are_each_tenants_own(world: World) -> None:
    await world.reads.submit(new(key="k"), most=1000)
    assert (await world.reads.submit(new("another", key="k", tenant="other"), most=1000)).created


async def test_of_concurrent_submissions_with_one_key_one_is_created(world: World) -> None:
    done = await asyncio.gather(*(world.reads.submit(new(key="k"), most=1000) for _ in range(6)))
    assert [found.created for found in done].count(True) == 1
    assert len({found.id for found in done}) == 1


async def test_submissions_without_a_key_are_never_the_same(world: World) -> None:
    done = [await world.reads.submit(new(), most=1000) for _ in range(2)]
    assert all(found.created for found in done)


@pytest.mark.parametrize(
    "bad",
    [new("nul\0"), new("half \ud800"), new(key="k\0"), new(id="a.b"), new(tenant="*"), new(tenant="x" * 65)],
    ids=["nul", "surrogate", "key", "id", "tenant", "long tenant"],
)
async def test_what_no_store_can_hold_is_refused(world: World, bad: NewWorkflow) -> None:
    with pytest.raises(ValueError, match=r"."):
        await world.reads.submit(bad, most=1000)


async def test_nothing_is_owed_for_a_submission_that_failed(gateway_dsn: str, pg_world: World) -> None:
    async with await open_pool(gateway_dsn, 1) as pool:
        reads, taken = PgReads(pool), await pg_world.submit()
        with pytest.raises(asyncpg.UniqueViolationError):
            await reads.submit(new(id=taken), most=1000)
    assert not await reads.unpublished(["workflow"], older_s=0, limit=5), "asks nothing: the pool is closed"


async def test_what_another_relay_published_is_owed_no_more(gateway_dsn: str, pg_world: World) -> None:
    async with await open_pool(gateway_dsn, 1) as pool:
        reads = PgReads(pool)
        first, second = [(await reads.submit(new(), most=1000)).events[0] for _ in range(2)]
        assert list(await reads.unpublished(["workflow"], older_s=0, limit=5)) == [first, second]
        await pg_world.drops.published([msgspec.structs.replace(first, seq=1)])
        assert not await reads.unpublished(["workflow"], older_s=60, limit=5), "too young, but still owed"
        assert list(await reads.unpublished(["workflow"], older_s=0, limit=5)) == [second]
        await pg_world.drops.published([msgspec.structs.replace(second, seq=2)])
        await reads.unpublished(["workflow"], older_s=0, limit=5)
    assert not await reads.unpublished(["workflow"], older_s=0, limit=5), "asks nothing: the pool is closed"


async def test_a_list_is_newest_first_in_pages(world: World) -> None:
    ids = [await world.submit() for _ in range(5)]
    await world.submit(tenant="other")
    first = await world.reads.workflows("default", before="", limit=3)
    rest = await world.reads.workflows("default", before=first[-1].id, limit=3)
    assert [found.id for found in (*first, *rest)] == sorted(ids, reverse=True)


async def test_a_list_by_state(world: World) -> None:
    late = await world.submit(deadline_s=0)
    active = await world.submit()
    await world.drops.expire(limit=5)
    assert [w.id for w in await world.reads.workflows("default", before="", limit=5, state="expired")] == [late]
    assert [w.id for w in await world.reads.workflows("default", before="", limit=5, state="active")] == [active]


async def test_another_tenant_sees_nothing(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    assert await world.reads.workflow("other", workflow) is None
    assert not await world.reads.workflows("other", before="", limit=5)
    assert not await world.reads.drops("other", workflow)
    assert not await world.reads.events("other", workflow)
    assert await world.reads.artifact("other", ref(f"{workflow}.plan.1").sha256) is None


async def test_drops_come_in_the_order_of_their_beginning(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    await world.commit("check", workflow, rejected("code"))
    await world.complete(workflow, "code", "suite")
    drops = await world.reads.drops("default", workflow)
    assert [(drop.stage, drop.revision) for drop in drops] == [
        ("plan", 1),
        ("code", 1),
        ("check", 1),
        ("code", 2),
        ("suite", 1),
    ]
    assert drops[3].id == f"{workflow}.code.2"
    assert [found.stage for found in drops[3].inputs] == ["plan", "check", "code"]


async def test_an_artifact_is_found_by_its_digest(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    wanted = ref(f"{workflow}.plan.1")
    assert await world.reads.artifact("default", wanted.sha256) == (wanted, "application/json")
    assert await world.reads.artifact("default", ref("nothing").sha256) is None


async def test_a_process_remembers_only_so_many_events_as_its_own_and_leaves_the_others_to_the_workers(
    pg_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.kit.stores.pg.reads.OWED", 2)
    reads = pg_world.reads
    first, second, third = [(await reads.submit(new(), most=1000)).events[0] for _ in range(3)]
    await reads.published([msgspec.structs.replace(event, seq=seq) for seq, event in enumerate((first, second), 1)])
    assert await reads.unpublished(["workflow"], older_s=0, limit=10) == []
    assert await pg_world.drops.unpublished(["workflow"], older_s=0, limit=10) == [third]
    more = (await reads.submit(new(), most=1000)).events[0]  # there is room again
    assert more in await reads.unpublished(["workflow"], older_s=0, limit=10)
