"""Submissions that come together: one transaction, each with its own answer."""

from __future__ import annotations

import asyncio
from itertools import count

import msgspec
import pytest
from ulid import ULID

from contracts.artifacts import Submission
from tests.kit.stores.world import TENANT, World
from workers.kit.stores.drops import KeyConflict, NewWorkflow, Submitted
from workers.kit.stores.pg import PgReads, Pool


def new(prompt: str = "p", key: str = "", tenant: str = TENANT) -> NewWorkflow:
    return NewWorkflow(
        id=str(ULID()), tenant=tenant, submission=Submission(prompt=prompt), deadline_s=60, idempotency_key=key
    )


async def test_many_at_once_are_each_written_and_told(world: World) -> None:
    asked = [new(f"p{place}") for place in range(40)]
    done = await asyncio.gather(*(world.reads.submit(one, most=100) for one in asked))
    assert [one.id for one in done] == [one.id for one in asked]
    assert [one.events[0].workflow for one in done] == [one.id for one in asked]
    rows = await world.reads.workflows(TENANT, before="", limit=100)
    assert {row.id: row.prompt for row in rows} == {one.id: one.submission.prompt for one in asked}


async def test_one_key_is_one_workflow_however_they_come(world: World) -> None:
    done = await asyncio.gather(*(world.reads.submit(new(key="k"), most=100) for _ in range(8)))
    assert len({one.id for one in done}) == 1
    assert [one.created for one in done].count(True) == 1
    assert all(len(one.events) == 1 for one in done), "whoever comes again may have to tell it"


async def test_only_who_is_to_blame_hears_of_a_conflict(world: World) -> None:
    await world.reads.submit(new("first", key="k"), most=100)
    asked = [new(), new("other", key="k"), new("first", key="k"), new(key="k2")]
    done = await asyncio.gather(*(world.reads.submit(one, most=100) for one in asked), return_exceptions=True)
    assert [type(one) for one in done] == [Submitted, KeyConflict, Submitted, Submitted]
    assert [one.created for one in done if isinstance(one, Submitted)] == [True, False, True]


async def test_a_key_that_comes_with_another_budget_is_a_conflict(world: World) -> None:
    asked = [msgspec.structs.replace(new(key="k"), budget=budget) for budget in (0.5, 0.5, 0.25, None)]
    done = [(await asyncio.gather(world.reads.submit(one, most=100), return_exceptions=True))[0] for one in asked]
    assert [type(one) for one in done] == [Submitted, Submitted, KeyConflict, KeyConflict]
    for budget in (-0.01, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="budget"):
            await world.reads.submit(msgspec.structs.replace(new(), budget=budget), most=100)


async def test_one_that_no_store_can_hold_spoils_none(world: World) -> None:
    twice = new()
    asked = [new(), new("nul\0"), twice, msgspec.structs.replace(new(), id=twice.id), new()]
    done = await asyncio.gather(*(world.reads.submit(one, most=100) for one in asked), return_exceptions=True)
    assert [isinstance(one, Submitted) for one in done].count(True) == 3
    assert isinstance(done[1], ValueError)
    assert len(await world.reads.workflows(TENANT, before="", limit=9)) == 3


async def test_a_batch_takes_no_more_than_the_room_there_is(world: World) -> None:
    done = await asyncio.gather(*(world.reads.submit(new(), most=5) for _ in range(12)))
    assert sum(bool(one.events) for one in done) == 5
    assert len(await world.drops.admit(most=12, limit=100)) == 7


async def test_tenants_share_no_transaction(world: World) -> None:
    names = [TENANT, "other"] * 4
    done = await asyncio.gather(*(world.reads.submit(new(tenant=name), most=9) for name in names))
    for tenant in set(names):
        rows = await world.reads.workflows(tenant, before="", limit=9)
        assert {row.id for row in rows} == {one.id for one, name in zip(done, names, strict=True) if name == tenant}


async def test_what_is_published_at_once_is_noted_for_each(world: World) -> None:
    done = await asyncio.gather(*(world.reads.submit(new(tenant=name), most=99) for name in [TENANT, "other"] * 10))
    seqs = count(1)
    events = [msgspec.structs.replace(event, seq=next(seqs)) for one in done for event in one.events]
    await asyncio.gather(*(world.reads.published([event]) for event in events))
    kept = [(await world.reads.events(event.tenant, event.workflow))[0] for event in events]
    assert kept == events
    assert not await world.drops.unpublished(["workflow"], older_s=0, limit=9)


async def test_two_gateways_with_the_same_keys_wait_for_each_other(gateway_pool: Pool) -> None:
    gateways = [PgReads(gateway_pool), PgReads(gateway_pool)]
    keys = [f"k{place}" for place in range(20)]
    asked = [gateways[0].submit(new(key=key), most=99) for key in keys]
    asked += [gateways[1].submit(new(key=key), most=99) for key in reversed(keys)]
    done = await asyncio.gather(*asked)
    assert len({one.id for one in done}) == 20
    assert sum(one.created for one in done) == 20
