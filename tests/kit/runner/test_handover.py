"""Hand-over on real servers: what begins with the commit before it, and what is left to the messages (ADR 0009)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from contracts import cloudevents, subjects
from tests.flow.noop import TENANT, Pipeline, Servers, chain, pipeline, topology_of
from tests.kit.runner.small import SMALL, STAGES, Draft, Verdict, accept, refuse_once
from tests.kit.runner.test_pull import DURABLE, STREAM, Handler, provision, send
from workers.kit.ports import Parser
from workers.kit.runner import sweeper, work
from workers.kit.runner.handover import Handed
from workers.kit.runner.pull import PullLoop
from workers.kit.stores.drops import Claim, Committed, LetterWriter, Outcome, StoreDown
from workers.kit.stores.handover import Heir
from workers.kit.stores.pg import PgDrops


@pytest.fixture
async def nc(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url)
    yield connection
    await connection.close()


async def told(running: Pipeline, workflow: str) -> list[str]:
    """Subjects of the workflow's events in the stream, in its order."""
    found = list[str]()
    subscription = await running.nc.jetstream().subscribe(f"ql.evt.{TENANT}.{workflow}.>", ordered_consumer=True)
    for _ in await running.reads.events(TENANT, workflow):
        found.append((await subscription.next_msg(5)).subject)
    await subscription.unsubscribe()
    return found


async def idle(running: Pipeline) -> bool:
    """No stage has a message left over, or un-acked."""
    infos = [await running.nc.jetstream().consumer_info(subjects.STREAM, name) for name in running.topology.stages]
    return all(not info.num_pending and not info.num_ack_pending for info in infos)


async def test_a_chain_is_claimed_once_and_tells_everything(servers: Servers) -> None:
    async with pipeline(servers, chain(5), sweeps=False) as running:
        await running.end(await running.submit())  # until then a stage may not be pulled yet
        before = running.done("handed"), running.done("idle.leased") + running.done("idle.done")
        workflow = await running.submit()
        assert await running.end(workflow) == "completed"
        assert running.done("handed") - before[0] == 4
        steps = [subject.split(".")[4] for subject in await told(running, workflow)]
        assert steps == ["workflow", *(f"step_{n}" for n in range(5)), "workflow"]
        await until(lambda: idle(running))
        assert running.done("idle.leased") + running.done("idle.done") == before[1], "acked unread"


async def test_a_join_waits_for_messages(servers: Servers) -> None:
    async with pipeline(servers, SMALL, STAGES, sweeps=False) as running:
        ids = [await running.submit("p") for _ in range(9)]
        assert {await running.end(workflow) for workflow in ids} == {"completed"}
        handed = running.done("handed")
        assert 0 < handed <= 2 * 9, "check and side, and never pack"


async def test_what_was_sent_back_comes_by_messages(servers: Servers) -> None:
    async with pipeline(servers, SMALL, STAGES | {"check": refuse_once}, sweeps=False) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        assert running.done("handed") <= 2
        rows = {(row.stage, row.revision): row for row in await running.reads.drops(TENANT, workflow)}
        assert {key for key in rows if key[1] == 2} == {("draft", 2), ("check", 2), ("side", 2), ("pack", 2)}


async def test_the_message_may_go_to_another_process(servers: Servers) -> None:
    """Two workers: whoever gets the message of what the other works at forgets it, and all complete once."""
    async with pipeline(servers, topology_of(14), workers=2, sweeps=False) as running:
        ids = [await running.submit() for _ in range(20)]
        assert {await running.end(workflow) for workflow in ids} == {"completed"}
        assert running.done("completed") == 14 * 20
        assert running.done("handed") > 0
        assert {row.attempts for workflow in ids for row in await running.reads.drops(TENANT, workflow)} == {1}


class Unheard(PgDrops):
    """The first commit of each stage counts, and its answer is lost with the connection."""

    __slots__ = ("lost",)
    lost: set[str]

    async def commit(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter | None = None, heirs: Sequence[Heir] = ()
    ) -> Committed:
        committed = await super().commit(claim, outcome, letter, heirs)
        if committed.handed and claim.stage not in self.lost:
            self.lost.add(claim.stage)
            raise StoreDown("the connection was lost")
        return committed


async def test_what_came_with_an_answer_that_was_lost_waits_for_no_lease(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "UNPUBLISHED_S", 0.2)
    monkeypatch.setattr(work, "COMMIT_AGAIN_S", 0.05)
    async with pipeline(servers, chain(4), sweep_s=0.2, lease_s=600, store=Unheard) as running:
        assert isinstance(running.drops, Unheard)
        running.drops.lost = set()
        ids = [await running.submit() for _ in range(3)]
        assert {await running.end(workflow) for workflow in ids} == {"completed"}
        assert running.drops.lost


@dataclass(frozen=True, slots=True)
class Parses:
    parser: Parser

    async def __call__(self, draft: Draft) -> Verdict:
        return await accept(draft)


async def test_a_stage_of_this_machine_is_left_to_whoever_is_free(servers: Servers) -> None:
    given: dict[type, object] = {Parser: object()}
    async with pipeline(servers, SMALL, STAGES | {"check": Parses}, given=given, sweeps=False) as running:
        ids = [await running.submit("p") for _ in range(9)]
        assert {await running.end(workflow) for workflow in ids} == {"completed"}
        assert 0 < running.done("handed") <= 9, "side, and not check"


class Slow(PgDrops):
    """The commit that hands over is answered late."""

    __slots__ = ()
    committed: asyncio.Event

    async def commit(self, claim: Claim, outcome: Outcome, *rest: Any) -> Committed:
        done = await super().commit(claim, outcome, *rest)
        if done.handed:
            self.committed.set()
            await asyncio.sleep(0.5)
        return done


async def test_a_worker_that_stops_hands_back_what_it_was_handed(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "committed", asyncio.Event(), raising=False)
    async with pipeline(servers, chain(2), store=Slow, workers=1, sweeps=False) as running:
        workflow = await running.submit()
        await Slow.committed.wait()
        await running.workers[0].stop()
        assert running.done("handed") == 0
        rows = {row.stage: row for row in await running.reads.drops(TENANT, workflow)}
        assert (rows["step_0"].state, rows["step_1"].state, rows["step_1"].attempts) == ("completed", "retry", 0)


async def test_who_can_not_go_on_wakes_the_stage(servers: Servers) -> None:
    woken: list[Sequence[str]] = []

    async def wake(*named: str) -> None:
        woken.append(named)

    async with pipeline(servers, chain(2), workers=0) as running:
        workflow = await running.submit()
        (event,) = await running.reads.events(TENANT, workflow)
        claim = await running.drops.claim("step_0", TENANT, workflow, lease_s=9, attempts=9)
        assert isinstance(claim, Claim)
        handed = Handed(claim, event, wake)
        await handed.nak()
        assert woken == [("step_0", TENANT, workflow)]
        assert cloudevents.from_binary(handed.headers, handed.data).id == event.id


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110  # what is waited for comes from another process
            await asyncio.sleep(0.02)


async def acked(nc: Client) -> bool:
    info = await nc.jetstream().consumer_info(STREAM, DURABLE)
    return info.ack_floor is not None and info.ack_floor.stream_seq == 1


class Work:
    """Something that was handed over, until it may end."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self) -> None:
        await self.ended.wait()


async def room(loop: PullLoop) -> bool:
    """It has credit, and could take one more."""
    if found := loop.reserve():
        loop.free()
        await loop.ask()
    return found


async def test_never_more_than_its_slots_and_who_found_none_comes_first(nc: Client) -> None:
    await provision(nc)
    handler, work = Handler(), Work()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=1, handle=handler)
    assert not loop.reserve(), "nothing is pulled yet"
    await loop.start()
    await until(lambda: room(loop))
    assert loop.reserve()
    assert not loop.reserve(), "there is one slot"
    assert loop.begin(work, "t.other")
    await send(nc, 1)
    await asyncio.sleep(0.2)
    assert (handler.seen, loop.in_flight) == ([], 1)
    work.ended.set()
    await handler.saw(1)
    await until(lambda: room(loop))
    await loop.hold()
    assert not loop.reserve(), "it takes nothing new"
    loop.let_go()
    await until(lambda: room(loop))
    await loop.stop(1)
    assert not loop.reserve(), "it has stopped"


async def test_the_message_of_what_was_handed_over_takes_no_slot(nc: Client) -> None:
    await provision(nc)
    handler, work = Handler(), Work()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=1, handle=handler)
    await loop.start()
    await until(lambda: room(loop))
    assert loop.reserve()
    assert loop.begin(work, "t.x")
    await send(nc, 1)
    await until(lambda: acked(nc))
    work.ended.set()
    await send(nc, 1)
    await handler.saw(1)
    await loop.stop(1)


async def test_a_slot_that_was_kept_for_nothing_is_asked_for_again(nc: Client) -> None:
    await provision(nc)
    handler = Handler()
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=2, handle=handler)
    await loop.start()
    await until(lambda: room(loop))
    assert loop.reserve()
    assert loop.reserve()
    loop.free()
    await loop.ask()
    loop.free()
    await loop.ask()
    await send(nc, 3)
    await handler.saw(3)
    await loop.stop(1)
