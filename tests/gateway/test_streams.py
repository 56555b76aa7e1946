"""Everything that happens at a tenant's, followed: from now, from a place, again after a cut, as lines, and no further
than one may."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Self
from urllib.parse import urlsplit

import httpx
import pytest

from contracts.cloudevents import to_binary, to_structured
from contracts.events import StageFailed, event
from contracts.subjects import STREAM
from contracts.topology import TOPOLOGY
from deploy.local.stack import Stack
from quantumlayer import AsyncQuantumLayer
from tests.gateway.conftest import Served, serving
from tests.gateway.test_workflows import submit
from tests.servers import Database
from workers.keeper.keep import Keeper
from workers.kit.runner.api import call

EVENT = re.compile(rb"id: (\d+-\d+)\nevent: ([^\n]+)\ndata: ([^\n]*)\n\n")
ENDED = b"0\r\n\r\n"
NAMES = [f"01ARZ3NDEKTSV4RRFFQ69G5FA{letter}" for letter in "ABC"]


async def tell(served: Served, count: int, *, tenant: str = "default", first: int = 1, size: int = 2) -> list[str]:
    """Publish events of three workflows; their ids."""
    told = []
    for number in range(first, first + count):
        failed = StageFailed(
            tenant=tenant,
            workflow=NAMES[number % 3],
            drop="d",
            stage="packaging",
            revision=number,
            error="e" * size,
            attempts=1,
        )
        made = event(failed, stage="packaging", outcome="failed", revision=number, time="2026-01-01T00:00:00.000000Z")
        subject, headers, body = to_binary(to_structured(made))
        await served.nc.jetstream().publish(subject, body, headers=headers)
        told.append(made.id)
    return told


class Follower:
    """A client of its own socket."""

    def __init__(
        self, served: Served, path: str = "/v1/events", last: str = "", accept: str = "*/*", limit: int = 1 << 16
    ) -> None:
        self._at, self._limit = urlsplit(served.url), limit
        self._asks = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {last}\r\nAccept: {accept}\r\n\r\n"
        self.told = b""

    async def __aenter__(self) -> Self:
        at = self._at
        self._reader, self._writer = await asyncio.open_connection(at.hostname, at.port, limit=self._limit)
        self._writer.write(self._asks.encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        return self

    async def until(self, what: bytes) -> bytes:
        """What was told up to there, without the frames of HTTP."""
        async with asyncio.timeout(20):
            while what not in self.told and (more := await self._reader.read(1 << 16)):
                self.told += more
        assert what in self.told, self.told[-500:]
        return re.sub(rb"(?m)^[0-9a-f]+\r\n|\r\n", b"", self.told)

    async def cut(self) -> bytes:
        """What was told until the gateway closed without the last chunk, which would say that this is all."""
        async with asyncio.timeout(20):
            while more := await self._reader.read(1 << 16):
                self.told += more
        assert not self.told.endswith(ENDED)
        return await self.until(b"")

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()


def ids(told: bytes) -> list[str]:
    return [json.loads(body)["id"] for _, _, body in EVENT.findall(told)]


async def past(served: Served, query: str = "", last: str = "") -> list[str]:
    answer = await served.http.get(f"/v1/events?follow=false{query}", headers={"Last-Event-ID": last})
    assert answer.status_code == 200
    return ids(answer.content)


async def test_everything_is_told_from_now_from_a_place_and_again_after_a_cut_to_its_tenant(served: Served) -> None:
    before = await tell(served, 5)
    await tell(served, 3, tenant="other", first=100)
    async with Follower(served) as follower:
        place = re.search(rb"id: (\d+-\d+)\n\n", await follower.until(b"\n\n"))
        assert place
        await tell(served, 3, tenant="other", first=103)
        now = await tell(served, 4, first=6)
        heard = await follower.until(f'"{now[-1]}"'.encode())
    assert ids(heard) == now
    assert b"other" not in heard
    missed = await tell(served, 3, first=10)
    async with Follower(served, last=EVENT.findall(heard)[1][0].decode()) as again:
        late = await tell(served, 2, first=13)
        assert ids(await again.until(f'"{late[-1]}"'.encode())) == [*now[2:], *missed, *late]
    everything = [*before, *now, *missed, *late]
    assert await past(served) == everything
    assert await past(served, last=place[1].decode()) == everything[5:]
    assert await past(served, last="12345-7") == everything
    assert await past(served, "&from_sequence=3") == everything[2:]
    assert await past(served, f"&workflow={NAMES[0]}") == [one for one in everything if one.startswith(NAMES[0])]
    assert await past(served, "&type=dev.quantumlayer.packaging.*&type=dev.quantumlayer.x.y.v1") == everything
    assert await past(served, "&type=dev.quantumlayer.packaging.failed.v1") == everything
    assert await past(served, "&type=dev.quantumlayer.workflow.*") == []


async def test_lines_hold_the_same_and_their_positions_resume(served: Served) -> None:
    told = await tell(served, 300)
    lines = {"Accept": "application/x-ndjson"}
    answer = await served.http.get("/v1/events?follow=false", headers=lines)
    assert answer.headers["content-type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["id"] for row in rows] == told
    rest = await served.http.get("/v1/events?follow=false", headers=lines | {"Last-Event-ID": rows[250]["position"]})
    assert [json.loads(line)["id"] for line in rest.text.splitlines()] == told[251:]
    async with Follower(served, accept=lines["Accept"], last=rows[290]["position"]) as follower:
        more = await tell(served, 1, first=301)
        heard = await follower.until(b'"%b"' % more[0].encode())
    assert [json.loads(line)["id"] for line in heard.splitlines()] == [*told[291:], *more]
    await keep_short(served)
    gone = await served.http.get("/v1/events", headers={"Last-Event-ID": rows[0]["position"]})
    assert (gone.status_code, gone.json()["code"]) == (410, "events_gone")
    assert await past(served, "&from_sequence=1") == []


async def keep_short(served: Served) -> None:
    """Have the stream forget all that it holds."""
    config = (await call(served.nc, f"STREAM.INFO.{STREAM}"))["config"]
    short = {"max_age": 100_000_000, "duplicate_window": 100_000_000}
    await call(served.nc, f"STREAM.UPDATE.{STREAM}", config | short)
    while (await call(served.nc, f"STREAM.INFO.{STREAM}"))["state"]["messages"]:  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(0.05)


async def test_who_is_too_slow_is_told_so_and_finds_the_rest_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.feeds.KEPT", 20)
    told: list[str] = []
    async with Follower(served, limit=1 << 10) as slow, Follower(served) as quick:
        while len(told) < 700:  # 14 MB: more than the buffers between two processes hold
            told += await tell(served, 20, first=len(told) + 1, size=20_000)
            await quick.until(f'"{told[-1]}"'.encode())
            quick.told = b""
        heard = await slow.cut()
    assert b"event: lag" in heard
    first = ids(heard)
    assert 0 < len(first) < 700
    assert first == told[: len(first)]
    assert await past(served, last=EVENT.findall(heard)[-1][0].decode()) == told[len(first) :]


async def test_nothing_is_missed_where_the_consumer_is_lost_and_the_stream_made_anew_is_told_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.tail.HEARTBEAT_S", 0.1)
    monkeypatch.setattr("gateway.tail.SILENT_S", 0.3)
    monkeypatch.setattr("gateway.feeds.LOOK_S", 0.1)
    async with Follower(served) as follower:
        before = await tell(served, 2)
        await follower.until(before[-1].encode())
        await lose_consumers(served)
        after = await tell(served, 3, first=3)
        heard = await follower.until(after[-1].encode())
        assert ids(heard) == [*before, *after]
        await call(served.nc, f"STREAM.DELETE.{STREAM}")
        await Keeper(served.nc, served.drops, TOPOLOGY, served.settings).keep()
        heard = await follower.cut()
    anew = await tell(served, 1, first=9)
    assert await past(served, last=EVENT.findall(heard)[-1][0].decode()) == anew


async def lose_consumers(served: Served) -> None:
    """Those that are no stage's and no observer's."""
    names = (await call(served.nc, f"CONSUMER.NAMES.{STREAM}", {}))["consumers"]
    for name in set(names) - {*TOPOLOGY.stages, "learning", "webhooks"}:
        await call(served.nc, f"CONSUMER.DELETE.{STREAM}.{name}")


async def test_at_the_end_of_the_gateway_everybody_is_told_to_come_back(
    stack: Stack, database: Database, bucket: str, nats_url: str
) -> None:
    async with AsyncExitStack() as opened:
        async with serving(stack, database, bucket, nats_url) as served:
            paths = ("/v1/events", f"/v1/workflows/{await submit(served)}/events")
            followers = [await opened.enter_async_context(Follower(served, path)) for path in paths]
        for follower in followers:
            assert re.search(rb": the gateway stops; come back\nretry: [12]\d{3}\n\n", await follower.cut())


def refusal(answer: httpx.Response) -> Sequence[object]:
    return answer.status_code, answer.json()["code"], answer.headers["retry-after"]


async def test_who_may_not_follow_is_told_why(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = await submit(served)
    assert (await served.http.post(f"/v1/workflows/{workflow}/cancel", json={})).status_code < 300
    address = f"/v1/workflows/{workflow}/events"
    told = EVENT.findall((await served.http.get(address)).content)
    assert [kind.decode().split(".")[3] for _, kind, _ in told] == ["submitted", "cancelled"]
    end = told[-1][0].decode()
    assert (await served.http.get(address, headers={"Last-Event-ID": end})).status_code == 204
    async with AsyncQuantumLayer(served.url) as client:
        assert [one async for one in client.events(workflow, after=end)] == []
    assert (await served.http.get("/v1/events?type=x")).status_code == 422
    assert (await served.http.get("/v1/events?workflow=x")).status_code == 404
    monkeypatch.setattr(served.state.streams, "_each", 1)
    async with Follower(served):
        assert refusal(await served.http.get("/v1/events")) == (429, "too_many_streams_of_yours", "5")
        monkeypatch.setattr(served.state.streams, "_each", 2)
        monkeypatch.setattr(served.state.streams.room, "free", 0)
        assert refusal(await served.http.get("/v1/events")) == (503, "too_many_streams", "5")
