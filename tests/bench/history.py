"""Reading histories: a stream of many workflows, filled by a plain socket, and how long one of them takes to read."""

from __future__ import annotations

import asyncio
import statistics
import time
from urllib.parse import urlsplit

import msgspec
from nats.aio.client import Client

from contracts.artifacts import JSON
from contracts.cloudevents import to_binary, to_structured
from contracts.events import Data, Ref, StageCompleted, WorkflowSubmitted, event
from contracts.subjects import STREAM
from contracts.topology import LIFECYCLE, TOPOLOGY
from gateway.connection import connect
from gateway.history.read import History
from gateway.history.timeline import timeline
from tests.bench.table import Table
from workers.keeper.provision import event_stream, make_stream

ROOM = 4 << 30
EACH = 50
LOOKS = 30
CHUNK = 2000
TENANT = "default"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
LONG, LONG_EVENTS = 10_000_000, 1000
LONGEST, LONGEST_EVENTS = 10_000_001, 30_000
AWAY_S = 150
"""The server forgets which subjects a block has two minutes after it was last looked at."""


def _name(number: int) -> str:
    return f"01BENCH{number:019d}"


def _message(workflow: str, place: int) -> bytes:
    stages = list(TOPOLOGY.stages)
    at = f"2026-01-01T00:{place // 3600 % 60:02d}:{place // 60 % 60:02d}.{place % 60:06d}Z"
    told: Data
    if place == 0:
        told, stage, outcome = (
            WorkflowSubmitted(tenant=TENANT, workflow=workflow, prompt_sha256="0" * 64),
            LIFECYCLE,
            "",
        )
    else:
        stage, outcome = stages[(place - 1) % len(stages)], "completed"
        told = StageCompleted(
            tenant=TENANT,
            workflow=workflow,
            drop=f"{workflow}.{stage}.{place}",
            stage=stage,
            revision=1 + (place - 1) // len(stages),
            artifact=Ref(key=f"artifacts/{TENANT}/00/{'0' * 64}", offset=0, length=9, sha256="0" * 64),
            media_type=JSON,
            work_ms=5,
        )
    revision = 1 + max(0, place - 1) // len(stages)
    made = event(told, stage=stage, outcome=outcome or "submitted", revision=revision, time=at, traceparent=TRACE)
    subject, headers, body = to_binary(to_structured(made))
    lines = b"NATS/1.0\r\n" + b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items()) + b"\r\n"
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (subject.encode(), len(lines), len(lines) + len(body), lines, body)


async def fill(nc: Client, url: str, workflows: int, each: int, first: int = 0) -> None:
    """`each` events of every workflow, in turns as a factory would write them."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    login: dict[str, object] = {"verbose": False, "pedantic": False, "headers": True, "protocol": 1}
    if at.username:
        login |= {"user": at.username, "pass": at.password or ""}
    await reader.readline()
    writer.write(b"CONNECT %s\r\n" % msgspec.json.encode(login))
    before = await _held(nc)
    for start in range(0, workflows, CHUNK):
        names = [_name(first + number) for number in range(start, min(start + CHUNK, workflows))]
        for place in range(each):
            writer.write(b"".join(_message(name, place) for name in names))
            writer.write(b"PING\r\n")
            await writer.drain()
            while (await reader.readline()).strip() != b"PONG":
                pass
    while await _held(nc) < before + workflows * each:  # noqa: ASYNC110  the server tells nobody when it has written
        await asyncio.sleep(0.2)
    writer.close()


async def _held(nc: Client) -> int:
    return (await nc.jetstream().stream_info(STREAM)).state.messages


async def _replayed(table: Table, history: History) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    read = await history.of(TENANT, _name(LONGEST))
    spent = time.process_time() - cpu
    rate = len(read) / (time.perf_counter() - began)
    assert len(read) == LONGEST_EVENTS
    table.add("replay: events read a second, one process", ">= 30,000", f"{rate:,.0f}", rate >= 30_000)
    table.add("the same, by its CPU alone", "", f"{len(read) / spent:,.0f}")


async def _shown(table: Table, history: History) -> None:
    read, made = [], []
    for _ in range(LOOKS):
        began = time.perf_counter()
        events = await history.of(TENANT, _name(LONG))
        there = time.perf_counter()
        assert len(timeline(events).steps) > 900
        read.append((there - began) * 1000)
        made.append((time.perf_counter() - there) * 1000)
    whole = [sum(both) for both in zip(read, made, strict=True)]
    table.add("timeline of 1,000 events, read and made", "< 100 ms", _said(whole), statistics.median(whole) < 100)
    table.add("of that, reading them", "", _said(read))


async def _looked(table: Table, history: History, workflows: int) -> None:
    took = [await _look(history, number * (workflows // LOOKS)) for number in range(LOOKS)]
    what = f"history of one of {workflows:,} workflows, {workflows * EACH:,} events"
    table.add(what, "< 200 ms", _said(took), statistics.median(took) < 200)


async def _cold(table: Table, history: History, workflows: int) -> None:
    """One of each `CHUNK`, whose events lie among those of all the others of it: in a dozen blocks of the stream."""
    await asyncio.sleep(AWAY_S)
    took = [await _look(history, number) for number in range(7, workflows, CHUNK)]
    table.add("the same, none of its blocks touched for minutes", "", _said(took))


async def _look(history: History, number: int) -> float:
    began = time.perf_counter()
    assert len(await history.of(TENANT, _name(number))) == EACH
    return (time.perf_counter() - began) * 1000


def _said(took: list[float]) -> str:
    tenth = sorted(took)[len(took) * 9 // 10]
    return f"median {statistics.median(took):.1f} ms, a tenth above {tenth:.1f} ms, worst {max(took):.1f} ms"


async def measure(table: Table, url: str, *, full: bool) -> None:
    """Reading at all, the timeline of a long one, and one history among many: at once, and when nobody looked at
    any for so long that the server has put everything away."""
    workflows = 20_000 if full else 400
    nc = await connect(url)
    history = History(nc)
    try:
        await make_stream(nc, event_stream(ROOM))
        await fill(nc, url, workflows, EACH)
        await fill(nc, url, 1, LONG_EVENTS, first=LONG)
        await fill(nc, url, 1, LONGEST_EVENTS, first=LONGEST)
        await _replayed(table, history)
        await _shown(table, history)
        await _looked(table, history, workflows)
        if full:
            await _cold(table, history, workflows)
    finally:
        await nc.close()
