"""Who follows is told all, or sees that it was cut off; a ping names no place behind what was told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx
import pytest
from nats.aio.msg import Msg

from contracts.subjects import STREAM
from gateway.cli.client import Client
from gateway.feeds import Feeds
from gateway.following import End, Following
from gateway.frames import Wanted
from gateway.live import Live, LiveDown
from gateway.past import MANY_AT_ONCE, _Heard
from tests.gateway.conftest import Served
from tests.gateway.test_streams import NAMES, past, tell
from workers.kit.runner.api import call

Ends = Callable[[str], Awaitable[End | None]]
PING = re.compile(rb": ping\nid: \d+-(\d+)\n\n")
OTHERS = "&type=dev.quantumlayer.workflow.*&type=dev.quantumlayer.frd_generation.*"


async def test_a_part_of_the_past_does_not_end_as_if_it_were_all(served: Served) -> None:
    await tell(served, 30, size=500_000)  # more than the buffers between two processes hold
    async with served.http.stream("GET", "/v1/events?follow=false") as answer:
        await call(served.nc, f"STREAM.DELETE.{STREAM}")
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()


async def test_who_wants_little_of_much_hears_how_far_it_is(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(served, 300)
    monkeypatch.setattr("gateway.following.PING_S", -1)
    answer = await served.http.get(f"/v1/events?follow=false{OTHERS}")
    assert [int(place) for place in PING.findall(answer.content)] == [1, 129, 257, 300]
    assert served.state.streams.past._many == MANY_AT_ONCE
    assert await past(served, "&type=dev.quantumlayer..*") == []


async def test_the_command_line_comes_back_behind_the_last_ping(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.following.PING_S", -1)
    await tell(served, 3)
    with Client(served.url) as client:
        said = await asyncio.to_thread(lambda: list(client._stream(f"/v1/events?follow=false{OTHERS}", "", 1e12)))
    assert [event.id.partition("-")[2] for event in said] == ["0", "1", "3"]


@pytest.mark.parametrize(
    ("types", "pattern"),
    [
        ((), "*.*"),
        (("dev.quantumlayer.workflow.*",), "workflow.*"),
        (("dev.quantumlayer.work*",), "*.*"),
        (("dev.quantumlayer.workflow.completed.v1", "dev.quantumlayer.workflow.failed.v1"), "workflow.*"),
        (("dev.quantumlayer.packaging.failed.v1", "dev.quantumlayer.workflow.failed.*"), "*.failed"),
        (("dev.quantumlayer.workflow.failed.v1",), "workflow.failed"),
        (("dev.quantumlayer...v1",), "*.*"),
    ],
)
def test_the_stream_leaves_out_what_none_of_the_types_is(types: tuple[str, ...], pattern: str) -> None:
    assert Wanted("", types).pattern("t") == f"ql.evt.t.*.{pattern}.>"


async def silent(served: Served, ends: Ends) -> Following:
    """One who was told where the stream stands."""
    streams, standing = served.state.streams, await served.state.live.standing()
    feed = await streams.feeds.of("default", standing)
    made = Following(
        streams.past, Wanted(NAMES[0]), "default", standing, standing.last, feed=feed, lines=False, ends=ends
    )
    await made.join()
    await made.next()
    return made


async def pinged(following: Following) -> bytes:
    """What it is told when it was still for long."""
    telling = asyncio.create_task(following.next())
    await asyncio.sleep(0.05)
    following.look()
    return await telling


async def test_a_ping_names_no_event_that_was_not_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.following.PING_S", -1)
    told: list[str] = []

    async def ends(_: str) -> None:
        told.extend(await tell(served, 1, first=3))
        feed = await served.state.streams.feeds.of("default", await served.state.live.standing())
        while feed.last < 1:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)

    following = await silent(served, ends)
    heard = await pinged(following)
    assert f'"{told[0]}"'.encode() in heard
    await following.leave()


async def test_the_stored_end_is_told_when_nothing_is_to_come_before_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.following.PING_S", -1)
    owed = True

    async def ends(_: str) -> End:
        return End(id="e", type="dev.quantumlayer.workflow.failed.v1", body=b"{}", seq=1, owed=owed)

    following = await silent(served, ends)
    assert [PING.match(await pinged(following)) is not None for _ in range(3)] == [True] * 3
    owed = False
    assert await pinged(following) == b"event: dev.quantumlayer.workflow.failed.v1\ndata: {}\n\n"
    assert (await following.next(), following.whole) == (b"", True)
    await following.leave()


async def test_a_feed_that_cannot_be_opened_leaves_nothing_behind_and_holds_up_no_other_tenant(served: Served) -> None:
    live = Live(served.nc)
    feeds, standing = Feeds(served.nc, live), await live.standing()
    async with feeds._opening["other"], asyncio.timeout(5):
        await feeds.of("default", standing)
    await feeds.close()
    before = len(served.nc._subs)
    await call(served.nc, f"STREAM.DELETE.{STREAM}")
    with pytest.raises(LiveDown):
        await feeds.of("default", standing)
    assert len(served.nc._subs) == before


async def test_a_message_that_did_not_come_is_noticed(served: Served) -> None:
    def message(last: str, **more: str) -> Msg:
        return Msg(_client=served.nc, headers={"Nats-Last-Sequence": last} | more)

    heard = _Heard()
    await heard.take(message("0", **{"Nats-Sequence": "4"}))
    await heard.take(message("4", **{"Nats-Sequence": "7"}))
    assert not heard.gap
    await heard.take(message("9", Status="204"))
    assert heard.gap
