"""The outbox, what the keeper remembers of the stream, and dead letters."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from contracts.cloudevents import from_structured
from tests.kit.stores.world import World, completed, rejected
from workers.kit.stores.drops import Remembered, Retry


async def test_events_wait_until_their_sequence_is_noted(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    waiting = await world.drops.unpublished(["plan", "code"], older_s=0, limit=10)
    assert [event.subject for event in waiting] == [f"ql.evt.default.{workflow}.plan.completed.1"]
    await world.drops.published([msgspec.structs.replace(waiting[0], seq=7)])
    assert not await world.drops.unpublished(["plan"], older_s=0, limit=10)
    kept = {event.id: event.seq for event in await world.reads.events("default", workflow)}
    assert kept == {f"{workflow}.workflow.submitted.1": 0, f"{workflow}.plan.completed.1": 7}


async def test_lifecycle_events_are_asked_for_by_name(world: World) -> None:
    workflow = await world.submit()
    (event,) = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    assert event.id == f"{workflow}.workflow.submitted.1"
    assert [event] == list(await world.reads.unpublished(["workflow"], older_s=0, limit=10))
    await world.reads.published([msgspec.structs.replace(event, seq=1)])
    assert not await world.reads.unpublished(["workflow"], older_s=0, limit=10)
    assert not await world.drops.unpublished(["workflow"], older_s=0, limit=10)


async def test_young_events_are_left_to_their_writer(world: World) -> None:
    await world.submit()
    assert not await world.drops.unpublished(["workflow"], older_s=5, limit=10)
    await asyncio.sleep(0.05)
    assert len(await world.drops.unpublished(["workflow"], older_s=0.04, limit=10)) == 1


async def test_the_oldest_come_first_up_to_the_limit(world: World) -> None:
    workflows = [await world.submit() for _ in range(4)]
    waiting = await world.drops.unpublished(["workflow"], older_s=0, limit=3)
    assert [event.workflow for event in waiting] == workflows[:3]


async def test_events_are_passed_over_by_id(world: World) -> None:
    for _ in range(3):
        await world.submit()
    events = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    for store in (world.drops, world.reads):
        left = await store.unpublished(["workflow"], older_s=0, limit=2, without={events[0].id})
        assert list(left) == list(events[1:])


async def test_a_sequence_is_noted_once(world: World) -> None:
    await world.submit()
    (event,) = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    await world.drops.published([msgspec.structs.replace(event, seq=7)])
    await world.drops.published([msgspec.structs.replace(event, seq=9)])
    assert await world.drops.remembered() == Remembered(seq=7, event=event.id)


async def test_two_relays_may_note_the_same_events(world: World) -> None:
    for _ in range(20):
        await world.submit()
    events = await world.drops.unpublished(["workflow"], older_s=0, limit=100)
    noted = [msgspec.structs.replace(event, seq=place + 1) for place, event in enumerate(events)]
    await asyncio.gather(world.drops.published(noted), world.drops.published(noted[::-1]))
    assert (await world.drops.remembered()).seq == 20


async def test_nothing_is_told_of_a_retry(world: World) -> None:
    workflow = await world.submit()
    await world.commit("plan", workflow, Retry(error="busy", after_s=0))
    assert not await world.drops.unpublished(["plan"], older_s=0, limit=10)


async def test_every_kept_event_is_one_a_reader_accepts(world: World) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code", "suite")
    await world.commit("check", workflow, rejected("code"))
    await world.complete(workflow, "code", "check", "scan", "trial", "pack")
    events = await world.reads.events("default", workflow)
    assert len(events) == 11
    for kept in events:
        event = from_structured(kept.body)
        assert (event.id, event.subject, event.traceparent) == (kept.id, kept.subject, "00-1-2-01")
    times = [from_structured(kept.body).time for kept in events]
    assert times == sorted(times)
    assert events[-1].id == f"{workflow}.workflow.completed.2"


async def test_another_stream_takes_the_sequences_of_young_events_back(world: World) -> None:
    assert await world.drops.remembered() == Remembered()
    january, february, march = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert await world.drops.adopt(january, "", since_s=3600, again_s=0) == 0
    await world.submit()
    events = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    await world.drops.published([msgspec.structs.replace(event, seq=3) for event in events])
    assert await world.drops.adopt(february, january, since_s=0, again_s=60) == 0
    assert (await world.drops.remembered()).seq == 3
    assert await world.drops.adopt(march, february, since_s=3600, again_s=60) == 1
    assert await world.drops.remembered() == Remembered(created=march)
    assert await world.reads.remembered() == await world.drops.remembered()
    assert len(await world.drops.unpublished(["workflow"], older_s=0, limit=10)) == 1


async def test_a_stream_is_adopted_once_and_once_more_whoever_keeps_it(world: World) -> None:
    await world.submit()
    events = await world.drops.unpublished(["workflow"], older_s=0, limit=10)

    async def late() -> None:
        await world.drops.published([msgspec.structs.replace(event, seq=3) for event in events])

    async def adopt(created: str, was: str, again_s: float = 60) -> set[int | None]:
        both = (world.drops.adopt(created, was, since_s=3600, again_s=again_s) for _ in range(2))
        return set(await asyncio.gather(*both))

    await late()
    assert await adopt("one", "") == {1, None}
    assert await adopt("one", "one") == {None}, "there was no other that could have answered late"
    assert await adopt("two", "one") == {0, None}
    await late()
    assert await adopt("two", "two") == {None}, "it is too early"
    assert await adopt("three", "two", again_s=0) == {1, None}
    await late()
    assert await adopt("two", "one") == {None}, "who asks has looked before somebody else adopted another one"
    assert await adopt("three", "three") == {1, None}
    assert await adopt("three", "three") == {None}
    assert (await world.drops.remembered()).created == "three"


async def test_a_commit_is_written_whole_or_not_at_all(world: World) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    done = completed(claim)
    big = msgspec.structs.replace(done, artifact=msgspec.structs.replace(done.artifact, key="k" * 40_000))
    with pytest.raises(ValueError, match="more than an event may have"):
        await world.drops.commit(claim, big)
    assert (await world.drop(workflow, "plan")).state == "running"
    assert (await world.drops.commit(claim, done)).state == "completed"
