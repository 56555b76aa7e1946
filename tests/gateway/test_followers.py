"""Many followers, and slow ones: neither holds up anybody else."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import nats.errors
import pytest

from contracts import subjects
from tests.gateway.conftest import Served
from tests.gateway.test_events import work
from tests.gateway.test_workflows import submit
from workers.kit.stores.drops import Failed

FOLLOWERS = 300
END = b"event: dev.quantumlayer.workflow.failed.v1"


async def places(served: Served, free: int) -> bool:
    """Whether there are as many free places, soon: one is given back after its client was told the end."""
    for _ in range(200):
        if served.state.streams.room.free == free:
            return True
        await asyncio.sleep(0.05)
    return False


class Follower:
    """A client of the stream on a connection of its own."""

    def __init__(self, url: str, workflow: str) -> None:
        self._at, self.workflow = urlsplit(url), workflow

    async def open(self, buffer: int = 1 << 16) -> Follower:
        self._reader, self._writer = await asyncio.open_connection(self._at.hostname, self._at.port, limit=buffer)
        path = f"/v1/workflows/{self.workflow}/events"
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        return self

    async def progress(self) -> None:
        """Until some is told: by then the gateway has heard all that was said before."""
        await self._reader.readuntil(b"event: progress")

    async def rest(self) -> bytes:
        """Everything until the gateway closes."""
        return await self._reader.read(-1)

    async def to_the_end(self) -> bytes:
        """As a client does it: one that is sent away without the end comes back."""
        told = await self.rest()
        while END not in told:
            told = await (await self.open()).rest()
        return told

    def close(self) -> None:
        self._writer.close()


async def test_idle_followers_hold_up_nobody_and_each_is_told_the_end(served: Served) -> None:
    workflow, other = await submit(served), await submit(served)
    async with AsyncExitStack() as opened:
        idle = await asyncio.gather(*(Follower(served.url, workflow).open() for _ in range(FOLLOWERS)))
        for follower in idle:
            opened.callback(follower.close)
        await work(served, other, "prompt_enhancement", Failed(error="no"))
        assert (await served.http.get(f"/v1/workflows/{other}")).json()["state"] == "failed"
        await submit(served)
        await work(served, workflow, "prompt_enhancement", Failed(error="no"))
        for told in await asyncio.gather(*(follower.to_the_end() for follower in idle)):
            assert told.count(END) == 1


async def test_a_follower_that_does_not_read_is_told_where_it_lost_and_its_place_is_free_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.feeds.BACKLOG", 64 << 10)
    free = served.state.streams.room.free
    workflow = await submit(served)
    follower = await Follower(served.url, workflow).open()
    assert served.state.streams.room.free == free - 1
    quick = await Follower(served.url, await submit(served)).open()
    for _ in range(2000):  # more than the buffers between two processes hold
        await served.nc.publish(f"ql.live.default.{workflow}.packaging", b"x" * 16_384)
    await served.nc.publish(f"ql.live.default.{quick.workflow}.packaging", b"{}")
    await quick.progress()
    quick.close()
    told = await follower.rest()
    assert told.count(b"event: progress") < 2000
    assert b"event: lag" in told[-200:]
    assert await places(served, free)
    follower.close()


async def test_the_model_routers_hear_who_is_watched_for_as_long_as_somebody_follows(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.feeds.WATCH_S", 0.05)
    free = served.state.streams.room.free
    workflow = await submit(served)
    heard = await served.nc.subscribe(subjects.WATCHED)
    await served.nc.flush()
    follower = await Follower(served.url, workflow).open()
    for _ in range(3):
        told = await heard.next_msg(timeout=10)
        assert subjects.parse_watched(told.subject) == ("default", workflow)
    await work(served, workflow, "prompt_enhancement", Failed(error="no"))
    assert END in await follower.rest()
    assert await places(served, free)
    await asyncio.sleep(0.2)
    while heard.pending_msgs:
        await heard.next_msg()
    with pytest.raises(nats.errors.TimeoutError):
        await heard.next_msg(timeout=0.5)
    follower.close()


async def test_of_all_followers_the_slowest_is_told_to_come_back_and_nothing_is_kept_of_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.feeds.BACKLOGS", 1 << 20)
    monkeypatch.setattr("gateway.feeds.BACKLOG", 1 << 30)
    workflow, other = await submit(served), await submit(served)
    slow, quick = await Follower(served.url, workflow).open(), await Follower(served.url, other).open()
    for _ in range(2000):
        await served.nc.publish(f"ql.live.default.{workflow}.packaging", b"x" * 16_384)
    await served.nc.publish(f"ql.live.default.{other}.packaging", b"{}")
    await quick.progress()
    told = await slow.rest()
    assert b"event: lag" in told[-200:]
    assert len(told) < 2000 * 16_384
    await work(served, other, "prompt_enhancement", Failed(error="no"))
    assert b"event: lag" not in await quick.rest()
    for follower in (slow, quick):
        follower.close()


async def test_a_follower_that_takes_nothing_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.serving.STALL_S", 0.2)
    free = served.state.streams.room.free
    workflow = await submit(served)
    follower = await Follower(served.url, workflow).open()
    for _ in range(2000):
        await served.nc.publish(f"ql.live.default.{workflow}.packaging", b"x" * 16_384)
    assert await places(served, free)
    follower.close()


async def test_no_more_followers_than_there_are_places(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.state.streams.room, "free", 1)
    workflow = await submit(served)
    follower = await Follower(served.url, workflow).open()
    refused = await served.http.get(f"/v1/workflows/{workflow}/events")
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
    assert refused.headers["retry-after"] == "5"
    follower.close()
