"""Work goes to the process of the best rank that has room and time, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from tests.flow.noop import Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES, Draft, Side
from tests.kit.runner.test_handover import room
from tests.kit.runner.test_pull import DURABLE, STREAM, Handler, provision, send
from workers.keeper.provision import WORKERS
from workers.kit.ports import Parser
from workers.kit.runner.api import call
from workers.kit.runner.offering import BUSY, Offering, cgroup_cpu
from workers.kit.runner.outbox import Counts
from workers.kit.runner.pull import FIRST, LAST, PullLoop
from workers.kit.runner.worker import Worker
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.memory import Memory, MemoryDrops

GROUPS = {"priority_groups": [WORKERS], "priority_policy": "prioritized"}


@pytest.fixture
async def nc(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url)
    await provision(connection)
    yield connection
    await connection.close()


async def group(nc: Client, groups: Mapping[str, object]) -> None:
    """A keeper has looked at the durable, today's or one from before there were groups."""
    config = (await call(nc, f"CONSUMER.INFO.{STREAM}.{DURABLE}"))["config"]
    kept = {key: value for key, value in config.items() if not key.startswith("priority_")}
    wanted = {"stream_name": STREAM, "config": {**kept, **groups}, "action": ""}
    await call(nc, f"CONSUMER.CREATE.{STREAM}.{DURABLE}", wanted)


def loop_of(nc: Client, handler: Handler, slots: int = 4, priority: int = FIRST) -> PullLoop:
    loop = PullLoop(nc, stream=STREAM, durable=DURABLE, slots=slots, handle=handler)
    loop.priority = priority
    return loop


async def asked(nc: Client, requests: int) -> None:
    """So many pulls wait at the server."""
    await until(lambda: _waiting(nc, requests))


async def _waiting(nc: Client, requests: int) -> bool:
    waiting: int = (await call(nc, f"CONSUMER.INFO.{STREAM}.{DURABLE}"))["num_waiting"]
    return waiting == requests


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await true():  # noqa: ASYNC110  # what is waited for comes from another process
            await asyncio.sleep(0.01)


async def test_what_the_first_has_no_slot_for_goes_to_the_next(nc: Client) -> None:
    await group(nc, GROUPS)
    first, second = Handler(60), Handler(60)
    loops = [loop_of(nc, second, priority=1), loop_of(nc, first, priority=0)]
    for loop in loops:
        await loop.start()
    await asked(nc, 2)
    await send(nc, 3)
    await until(lambda: _running(first, 3))
    assert second.running == 0
    await send(nc, 2)
    await until(lambda: _running(second, 1))
    assert first.running == 4
    for loop in loops:
        await loop.stop(0)


async def _running(handler: Handler, count: int) -> bool:
    return handler.running == count


async def test_when_the_first_is_killed_the_next_goes_on(nc: Client, nats_url: str) -> None:
    await group(nc, GROUPS)
    first, second = Handler(), Handler()
    own = await nats.connect(nats_url)
    await loop_of(own, first, priority=0).start()
    loop = loop_of(nc, second, priority=1)
    await loop.start()
    await asked(nc, 2)
    await send(nc, 2)
    await first.saw(2)
    await own.close()  # its credit is at the server, as a killed process leaves it
    await send(nc, 2)
    await second.saw(2)
    await loop.stop(1)


async def test_a_durable_of_another_keeper_is_asked_in_its_way(nc: Client) -> None:
    handler = Handler()
    loop = loop_of(nc, handler, slots=2)
    await loop.start()
    for number, groups in enumerate((GROUPS, {}, GROUPS), start=1):
        await group(nc, groups)
        await send(nc, 5)
        await handler.saw(5 * number)
    await loop.stop(1)


def offering(loops: list[PullLoop], memory: Memory) -> Offering:
    return Offering(MemoryDrops(memory, SMALL), loops, Counts())


async def test_a_busy_process_is_offered_nothing_that_another_has_time_for(nc: Client) -> None:
    await group(nc, GROUPS)
    first, second, memory = Handler(), Handler(), Memory()
    loops = [loop_of(nc, handler) for handler in (first, second)]
    offerings = [offering([loop], memory) for loop in loops]
    for one, loop in zip(offerings, loops, strict=True):
        await one.look()
        await loop.start()
    assert [loop.priority for loop in loops] == [0, 1]
    await asked(nc, 2)
    await send(nc, 3)
    await first.saw(3)
    await offerings[0].measured(BUSY + 0.01)
    assert loops[0].priority == LAST
    await asked(nc, 2)
    await send(nc, 3)
    await second.saw(3)
    await offerings[0].measured(0.1)
    assert offerings[0].last, "it rests for a while"
    for loop in loops:
        await loop.stop(1)


async def test_who_rests_no_longer_comes_first_again(nc: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.kit.runner.offering.REST_S", 0.0)
    loop = loop_of(nc, Handler())
    one = offering([loop], Memory())
    await one.look()
    one.last = True
    await one.measured(0.1)
    assert (one.last, loop.priority) == (False, FIRST)
    await loop.stop(0)


async def test_who_fails_more_than_it_gets_done_steps_back(nc: Client) -> None:
    loop, counts = loop_of(nc, Handler()), Counts()
    one = Offering(MemoryDrops(Memory(), SMALL), [loop], counts)
    for done, undone, last in ((3, 2, False), (1, 0, False), (0, 0, False), (1, 2, True)):
        counts.add("completed", done)
        counts.add("handed back", undone)
        await one.measured(0.1)
        assert one.last == last
    await loop.stop(0)


class Away(MemoryDrops):
    async def ranks(self, *_: object, **__: object) -> Mapping[str, int]:
        raise StoreDown("it is away")


async def test_a_store_that_is_away_leaves_the_rank_as_it_is(nc: Client) -> None:
    loop = loop_of(nc, Handler())
    await Offering(Away(Memory(), SMALL), [loop], Counts()).look()
    assert loop.priority == LAST - 1, "nobody says that it is the first"


async def test_of_two_workers_the_older_does_it_all(servers: Servers) -> None:
    async with pipeline(servers, SMALL, STAGES, workers=2) as running:
        for _ in range(3):
            await running.end(await running.submit("p"))
        claimed = [worker.counts.done["claimed"] for worker in running.workers]
        assert claimed == [3 * len(SMALL.stages), 0]
        await running.workers[0].stop()
        await running.end(await running.submit("p"))
        assert running.workers[1].counts.done["claimed"] == len(SMALL.stages)
        await running.workers[1]._offering.look()
        assert _priorities(running.workers[1]) == {FIRST}, "the place of who has left is free at once"


@dataclass(frozen=True, slots=True)
class Measures:
    """A stage that works on this machine."""

    parser: Parser

    async def __call__(self, draft: Draft) -> Side:
        return Side(text=draft.text)


async def test_what_works_on_this_machine_is_shared_out(servers: Servers) -> None:
    stages = STAGES | {"side": Measures}
    async with pipeline(servers, SMALL, stages, workers=2, given={Parser: object()}) as running:
        told = {loop.durable: loop.priority for loop in running.workers[1]._loops}
        assert told == {"draft": 1, "check": 1, "side": FIRST, "pack": 1}


def _priorities(worker: Worker) -> set[int]:
    return {loop.priority for loop in worker._loops}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 1.0),
        ({"cpu.max": "max 100000\n"}, 1.0),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "400000 100000\n"}, 1.0),
        ({"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.25),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.0),
    ],
)
def test_what_a_container_may_use(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cgroup_cpu(tmp_path) == cores


async def test_what_was_asked_for_at_another_priority_is_taken_back(nc: Client) -> None:
    await group(nc, GROUPS)
    first, second = Handler(), Handler()
    loops = [loop_of(nc, first, priority=0), loop_of(nc, second, priority=1)]
    for loop in loops:
        await loop.start()
    await asked(nc, 2)
    await loops[0].offer(2)
    await until(lambda: room(loops[0]))
    await send(nc, 2)
    await second.saw(2)
    await loops[0].offer(0)
    await until(lambda: room(loops[0]))
    await nc.flush()
    await send(nc, 2)
    await first.saw(2)
    for loop in loops:
        await loop.stop(1)
