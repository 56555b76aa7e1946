"""Facts are held until the stream is known to be the one that PostgreSQL remembers; only the keeper makes it anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import nats
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.artifacts import Submission
from deploy.local.ports import free_ports
from tests.kit.runner.small import SMALL
from tests.kit.runner.test_pull import server
from workers.keeper.keep import FAR, Keeper
from workers.keeper.provision import EVENT_STREAM, make_stream
from workers.kit.runner.api import call, find
from workers.kit.runner.outbox import Counts, Outbox
from workers.kit.runner.publish import Held, Publisher
from workers.kit.settings import Settings
from workers.kit.stores.drops import NewWorkflow, StoredEvent
from workers.kit.stores.memory import Memory, MemoryDrops, MemoryReads


@dataclass
class Factory:
    """A bus with a keeper, a publisher, and the store that both remember the stream in."""

    nc: Client
    memory: Memory
    keeper: Keeper
    publisher: Publisher
    made: int = 0

    async def fact(self) -> StoredEvent:
        self.made += 1
        new = NewWorkflow(id=f"w{self.made}", tenant="default", submission=Submission(prompt="p"), deadline_s=60)
        return (await MemoryReads(self.memory).submit(new, most=1000)).events[0]

    async def tell(self) -> int:
        """Publish a new fact and note it; its sequence."""
        placed = await self.publisher.fact(await self.fact())
        self.memory.published([placed])
        return placed.seq

    async def last(self) -> int:
        info = await find(self.nc, f"STREAM.INFO.{subjects.STREAM}")
        assert info
        last: int = info["state"]["last_seq"]
        return last


async def factory(nc: Client) -> Factory:
    memory = Memory()
    drops = MemoryDrops(memory, SMALL)
    keeper = Keeper(nc, drops, SMALL, Settings())
    await keeper.keep()
    return Factory(nc, memory, keeper, Publisher(nc, drops))


@pytest.fixture
async def made(nats_url: str) -> AsyncIterator[Factory]:
    nc = await nats.connect(nats_url)
    yield await factory(nc)
    await nc.close()


async def replace_stream(nc: Client, filled: int = 0) -> None:
    """As somebody would who knows nothing of the keeper."""
    await call(nc, f"STREAM.DELETE.{subjects.STREAM}")
    await make_stream(nc, EVENT_STREAM)
    for number in range(filled):
        await nc.jetstream().publish(f"ql.wake.draft.t.w{number}", b"")


def another_time(made: Factory) -> None:
    made.memory.stream = "2020-01-01T00:00:00Z"


def another_event(made: Factory) -> None:
    time, event = made.memory.workflows["w1"].events.popitem()[1]
    made.memory.workflows["w1"].events["x"] = (time, msgspec.structs.replace(event, id="x"))


def tail_gone(made: Factory) -> None:
    time, event = made.memory.workflows["w1"].events[name := "w1.workflow.submitted.1"]
    made.memory.workflows["w1"].events[name] = (time, msgspec.structs.replace(event, seq=99))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (another_time, r"was made at .*, not at 2020-01-01"),
        (another_event, r"x does not stand at 1"),
        (tail_gone, r"ends at 1, before w1\.workflow\.submitted\.1 at 99"),
    ],
)
async def test_a_stream_that_is_not_the_one_gets_no_fact(
    made: Factory, wrong: Callable[[Factory], None], reason: str
) -> None:
    await made.tell()
    wrong(made)
    late = Publisher(made.nc, MemoryDrops(made.memory, SMALL))
    with pytest.raises(Held, match=reason):
        await late.fact(await made.fact())
    assert await made.last() == 1
    await made.keeper.keep()
    await late.fact(await made.fact())


async def test_a_place_that_is_not_above_the_highest_is_not_believed(made: Factory) -> None:
    assert [await made.tell() for _ in range(3)] == [1, 2, 3]
    await replace_stream(made.nc)
    with pytest.raises(Held, match="stored at 1, not above 3"):
        await made.tell()
    assert made.memory.remembered().seq == 3
    with pytest.raises(Held, match="was made at"):  # and now nothing more goes in
        await made.tell()
    assert await made.last() == 1
    await made.keeper.keep()
    assert await made.tell() == 3 + 2 * FAR


async def test_what_is_held_stays_unpublished_and_in_order(made: Factory) -> None:
    drops, counts = MemoryDrops(made.memory, SMALL), Counts()
    await made.tell()
    await replace_stream(made.nc)
    facts = (await made.fact(), await made.fact())
    outbox = Outbox(made.publisher, drops, counts)
    await outbox.send(facts)
    assert counts.done["events"] == 0
    assert await made.last() == 2  # the first PubAck told of the loss, when both were under way
    await made.keeper.keep()
    owed = await drops.unpublished(["workflow"], older_s=0, limit=10)
    assert len(owed) == 3
    await outbox.send(owed)
    await outbox.flush()
    assert not await drops.unpublished(["workflow"], older_s=0, limit=10)
    assert await made.last() == 1 + 2 * FAR + 2


@pytest.mark.parametrize("filled", [0, 40])
async def test_after_a_reconnect_nothing_is_published_before_the_look(tmp_path: Path, filled: int) -> None:
    """The server comes back with another store; what was asked of the client meanwhile waits for the keeper too."""
    (port,) = free_ports(1)

    async def quiet(_: Exception) -> None:
        pass

    async with server(port, tmp_path / "one"):
        nc = await nats.connect(
            f"nats://127.0.0.1:{port}", max_reconnect_attempts=-1, reconnect_time_wait=0.05, error_cb=quiet
        )
        made = await factory(nc)
        await asyncio.gather(*(made.tell() for _ in range(20)))
    waiting = asyncio.create_task(made.tell())
    async with server(port, tmp_path / "two"):
        other = await nats.connect(f"nats://127.0.0.1:{port}", connect_timeout=5, max_reconnect_attempts=-1)
        with pytest.raises(Held, match="the stream"):
            await waiting
        await make_stream(other, EVENT_STREAM)
        for number in range(filled):
            await other.jetstream().publish(f"ql.wake.draft.t.w{number}", b"")
        with pytest.raises(Held, match="the stream was made at"):
            await made.tell()
        assert await made.last() == filled
        await made.keeper.keep()
        assert await made.tell() == 20 + 2 * FAR
        await other.close()
        await nc.close()
