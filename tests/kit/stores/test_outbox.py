"""The outbox, what the keeper remembers of the stream, and dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from contracts.cloudevents import from_structured
from tests.kit.stores.world import World, completed, rejected
from workers.kit.stores.drops import Remembered, Retry, StoredEvent
from workers.kit.stores.memory import MemoryDrops
from workers.kit.stores.pg import PgDrops


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


async def test_a_note_of_an_earlier_stream_that_comes_late_changes_nothing(world: World) -> None:
    await world.submit()
    (event,) = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    for seq in (7, 90, 8):
        await world.drops.published([msgspec.structs.replace(event, seq=seq)])
    assert await world.drops.remembered() == Remembered(seq=90, event=event.id)


async def test_what_is_noted_of_a_lost_stream_only_is_not_taken_to_be_in_the_next_one(world: World) -> None:
    assert await world.drops.adopt("one", "", first_seq=0, again_s=0)
    await world.submit()
    (event,) = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    assert await world.drops.adopt("two", "one", first_seq=1000, again_s=0)
    assert await world.drops.revive() == 0
    for store in (world.drops, world.reads):
        await store.published([msgspec.structs.replace(event, seq=5)])
        assert list(await world.drops.unpublished(["workflow"], older_s=0, limit=10)) == [event]
    await world.drops.published([msgspec.structs.replace(event, seq=1000)])
    assert not await world.drops.unpublished(["workflow"], older_s=0, limit=10)


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


async def told(world: World, count: int, first: int = 1) -> list[str]:
    """New workflows whose events are noted from that sequence on."""
    workflows = [await world.submit() for _ in range(count)]
    events = await world.drops.unpublished(["workflow"], older_s=0, limit=100)
    await world.drops.published([msgspec.structs.replace(e, seq=first + n) for n, e in enumerate(events)])
    return workflows


async def ended(world: World, workflow: str, first: int) -> None:
    """The workflow is cancelled, which is noted at that sequence."""
    await world.reads.cancel("default", workflow, reason="")
    events = await world.drops.unpublished(["workflow"], older_s=0, limit=100)
    await world.drops.published([msgspec.structs.replace(e, seq=first + n) for n, e in enumerate(events)])


async def test_a_new_stream_is_told_at_once_what_active_workflows_need_and_later_the_history(world: World) -> None:
    assert await world.drops.adopt("one", "", first_seq=0, again_s=60)
    old, active = await told(world, 2)
    await ended(world, old, 3)
    assert await world.drops.adopt("two", "one", first_seq=1000, again_s=60)
    assert await world.drops.revive() == 1
    assert await world.drops.remembered() == await world.reads.remembered()
    assert await world.drops.remembered() == Remembered(
        created="two", first_seq=1000, seq=3, event=f"{old}.workflow.cancelled.1"
    )
    waiting = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    assert [event.workflow for event in waiting] == [active], "nothing else waits before new events"
    assert [event.seq for event in await world.reads.events("default", old)] == [0, 0], "but it is owed"
    seen: list[str] = []
    while history := await world.drops.history(since_s=3600, limit=1):
        seen += [event.id for event in history.events]
        if placed := [msgspec.structs.replace(event, seq=1000 + len(seen)) for event in history.events]:
            await world.drops.published(placed)
        await world.drops.resent(history)
    assert seen == [f"{old}.workflow.submitted.1", f"{old}.workflow.cancelled.1"]
    assert [event.seq for event in await world.reads.events("default", old)] == [1001, 1002]


async def test_what_is_too_old_for_the_stream_is_passed_over(world: World) -> None:
    await world.drops.adopt("one", "", first_seq=0, again_s=60)
    (old,) = await told(world, 1)
    await ended(world, old, 2)
    await world.drops.adopt("two", "one", first_seq=1000, again_s=60)
    history = await world.drops.history(since_s=0, limit=10)
    assert history is not None
    assert (history.events, history.through) == ([], 1000)
    await world.drops.resent(history)
    assert await world.drops.history(since_s=3600, limit=10) is None
    assert [event.seq for event in await world.reads.events("default", old)] == [1, 2], "nobody waits for it"


async def test_what_the_new_stream_refuses_of_the_history_is_unpublished_and_the_rest_goes_on(world: World) -> None:
    await world.drops.adopt("one", "", first_seq=0, again_s=60)
    (old,) = await told(world, 1)
    await ended(world, old, 2)
    await world.drops.adopt("two", "one", first_seq=1000, again_s=60)
    page = await world.drops.history(since_s=3600, limit=1)
    assert page is not None
    refused = [event.id for event in page.events]
    await world.drops.resent(page, refused)
    assert [e.id for e in await world.drops.unpublished(["workflow"], older_s=0, limit=10)] == refused
    rest = await world.drops.history(since_s=3600, limit=10)
    assert rest is not None
    assert [event.id for event in rest.events] == [f"{old}.workflow.cancelled.1"]


async def test_a_page_of_history_counts_only_for_the_stream_that_it_was_read_for(world: World) -> None:
    await world.drops.adopt("one", "", first_seq=0, again_s=60)
    (old,) = await told(world, 1)
    await ended(world, old, 2)
    await world.drops.adopt("two", "one", first_seq=1000, again_s=60)
    page = await world.drops.history(since_s=3600, limit=10)
    assert page is not None
    await world.drops.adopt("three", "two", first_seq=2000, again_s=60)
    await world.drops.resent(page)
    again = await world.drops.history(since_s=3600, limit=10)
    assert again is not None
    assert len(again.events) == 2


async def noted_as_before(world: World, events: Sequence[StoredEvent], seq: int) -> None:
    """As by a statement that began before the stream was adopted."""
    notes = [msgspec.structs.replace(event, seq=seq) for event in events]
    if isinstance(world.drops, MemoryDrops):
        memory = world.drops.memory
        first, memory.first_seq = memory.first_seq, 0
        memory.published(notes)
        memory.first_seq = first
        return
    assert isinstance(world.drops, PgDrops)
    first = await world.drops.pool.fetchval("SELECT first_seq FROM stream")
    await world.drops.pool.execute("UPDATE stream SET first_seq = 0")
    await world.drops.published(notes)
    await world.drops.pool.execute("UPDATE stream SET first_seq = $1", first)


async def test_what_is_noted_late_of_the_old_stream_is_made_good_once_it_has_settled(world: World) -> None:
    await world.drops.adopt("one", "", first_seq=0, again_s=0)
    assert await world.drops.revive() == 0, "there was no other that could have answered late"
    old, active = [await world.submit() for _ in range(2)]
    events = await world.drops.unpublished(["workflow"], older_s=0, limit=10)
    await world.drops.adopt("two", "one", first_seq=1000, again_s=0.3)
    assert await world.drops.revive() == 0
    page = await world.drops.history(since_s=3600, limit=10)
    assert page is not None
    await world.drops.resent(page)
    assert await world.drops.history(since_s=3600, limit=10) is None
    await noted_as_before(world, events, 3)
    assert await world.drops.revive() == 2, "whoever keeps it, at any look until then"
    await noted_as_before(world, events, 3)
    await world.reads.cancel("default", old, reason="")
    await asyncio.sleep(0.3)
    assert await world.drops.revive() == 1
    again = await world.drops.history(since_s=3600, limit=10)
    assert again is not None
    assert [event.id for event in again.events] == [f"{old}.workflow.submitted.1"]
    await noted_as_before(world, events, 3)
    assert await world.drops.revive() == 0, "then it has settled"
    assert active in {event.workflow for event in events}


async def test_a_stream_is_adopted_once_whoever_keeps_it(world: World) -> None:
    async def adopt(created: str, was: str, first_seq: int) -> list[bool]:
        both = (world.drops.adopt(created, was, first_seq=first_seq, again_s=60) for _ in range(2))
        return sorted(await asyncio.gather(*both))

    assert await adopt("one", "", 5) == [False, True]
    assert await world.drops.history(since_s=3600, limit=10) is None, "there was none before"
    assert await adopt("two", "one", 10) == [False, True]
    assert await adopt("three", "one", 20) == [False, False], "who asks has looked before somebody else adopted another"
    assert await adopt("two", "two", 10) == [False, False]
    assert (await world.drops.remembered()).created == "two"


async def test_a_commit_is_written_whole_or_not_at_all(world: World) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    done = completed(claim)
    big = msgspec.structs.replace(done, artifact=msgspec.structs.replace(done.artifact, key="k" * 40_000))
    with pytest.raises(ValueError, match="more than an event may have"):
        await world.drops.commit(claim, big)
    assert (await world.drop(workflow, "plan")).state == "running"
    assert (await world.drops.commit(claim, done)).state == "completed"
