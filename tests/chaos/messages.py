"""Messages that come twice, forged, malformed, too large or again for reading only: F11-F14 and F30."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping
from pathlib import Path

from nats.aio.client import Client
from nats.js.errors import BadRequestError
from ulid import ULID

from contracts import cloudevents
from contracts.events import Ref, StageCompleted, event
from contracts.subjects import STREAM
from tests.chaos.case import Case, Seen
from tests.chaos.checker import Expected, check, stream
from tests.chaos.graph import Do, Plan
from tests.chaos.processes import SPENT
from tests.chaos.world import TENANT, World
from workers.kit.runner.api import call
from workers.kit.runner.publish import Publisher

MOST_GROWTH = 50 << 20
WINDOW_S = 1.0
LETTERS = "SELECT stage, reason, sha256 FROM dead_letters WHERE workflow_id = $1"
EVERYTHING = """
    SELECT (SELECT count(*) FROM drops) AS drops, (SELECT max(updated_at) FROM drops) AS newest,
        (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM dead_letters) AS letters,
        (SELECT count(*) FROM ledger) AS answers
"""


async def duplicates(world: World) -> Seen:
    """Every event ten times more, by the product's own publisher after the dedupe window, and raw; and ten wakes."""
    await world.staff(1)
    workflow = await world.submit()
    await world.ended([workflow])
    events = await world.reads.events(TENANT, workflow)
    raw = 0
    async with world.connected() as nc:
        info = await call(nc, f"STREAM.INFO.{STREAM}")
        await call(nc, f"STREAM.UPDATE.{STREAM}", info["config"] | {"duplicate_window": int(WINDOW_S * 1e9)})
        await asyncio.sleep(WINDOW_S + 0.5)
        publisher = Publisher(nc, world.reads)
        wrong = []
        for told in events:
            moved = [again.seq for again in [await publisher.fact(told) for _ in range(10)] if again.seq != told.seq]
            wrong += [f"{told.id} was stored again at {seq}" for seq in moved]
            subject, headers, body = cloudevents.to_binary(told.body)
            for number in range(10):
                await _put(nc, subject, body, headers | {"Nats-Msg-Id": f"{told.id}-{number}"})
                raw += 1
        for stage in ("root", "left", "right", "join"):
            for _ in range(10):
                await publisher.wake(stage, TENANT, workflow)
        await call(nc, f"STREAM.UPDATE.{STREAM}", info["config"])
    await _quiet(world)
    epoch = (await world.fetch(SPENT, [workflow]))[0]["epoch"]
    wrong += [] if epoch == 1 else [f"a row was claimed {epoch} times"]
    wrong += await check(world, {workflow: Expected(strangers=raw)})
    return Seen(wrong=wrong, note=f"{len(events) * 10} published again, {raw} raw copies, 40 wakes")


async def forged(world: World) -> Seen:
    """Completions out of order, of a future version, of another tenant, of an unknown stage: no effect on the drops."""
    await world.staff(1)
    workflow = await world.submit(Plan(do={"root": Do(model_s=2.5)}))
    async with world.connected() as nc:
        await _forge(nc, workflow, "left", 7)
        await _forge(nc, workflow, "right", 7)
        await _forge(nc, workflow, "root", 8, {"ce-type": "dev.quantumlayer.root.completed.v2"})
        await _forge(nc, workflow, "root", 9, tenant="another")
        await _forge(nc, workflow, "nosuch", 1)
        await asyncio.sleep(1)
    began = [row["stage"] for row in await world.fetch("SELECT stage FROM drops WHERE workflow_id = $1", workflow)]
    wrong = [] if began == ["root"] else [f"forged events began {began}"]
    await world.ended([workflow])
    reasons = {row["reason"] for row in await world.fetch(LETTERS, workflow)}
    if len(reasons) != 1 or "another tenant" not in next(iter(reasons)):
        wrong.append(f"the dead letters say {sorted(reasons)}")
    return Seen(wrong=wrong + await check(world, {workflow: Expected(strangers=5)}))


async def malformed(world: World) -> Seen:
    """Bodies that no decoder should meet: dead letters with their bytes, and a worker that lives and grows little."""
    (worker,) = await world.staff(1)
    await world.ended([await world.submit()])
    before, pid, deaths = _resident(worker.pid), worker.pid, worker.deaths
    nobody = str(ULID())
    async with world.connected() as nc:
        for number, body in enumerate(BODIES.values(), 1):
            await _put(nc, f"ql.evt.{TENANT}.{nobody}.root.completed.{number}", body, _headers(nobody, number))
        await _put(nc, f"ql.evt.{TENANT}.{nobody}.root.completed.{len(BODIES) + 1}", b"{}", {})
    enough = "SELECT count(*) >= $2 FROM dead_letters WHERE workflow_id = $1"
    wrong = []
    if not await world.until(enough, nobody, 2 * len(BODIES) + 2):
        found = [(row["stage"], row["reason"][:60]) for row in await world.fetch(LETTERS, nobody)]
        wrong.append(f"{len(found)} dead letters instead of {2 * len(BODIES) + 2}: {found}")
    if (worker.pid, worker.deaths) != (pid, deaths):
        wrong.append("the worker died")
        return Seen(wrong=wrong)
    grown = _resident(pid) - before
    if grown > MOST_GROWTH:
        wrong.append(f"the worker grew by {grown >> 20} MB")
    healthy = await world.submit()
    await world.ended([healthy])
    return Seen(
        wrong=wrong + await check(world, [healthy]), note=f"{len(BODIES) + 1} messages, grown by {grown >> 20} MB"
    )


async def too_large(world: World) -> Seen:
    """A payload above the limit is refused by the server, and so are 20,000 headers; 2,000 hurt nobody."""
    (worker,) = await world.staff(1)
    pid = worker.pid
    nobody = str(ULID())
    async with world.connected() as nc:
        wrong = [] if await _refused(nc) else ["a payload of 1 MiB and a byte was taken"]
        try:
            await _put(nc, f"ql.evt.{TENANT}.{nobody}.root.completed.1", b"{}", _bomb(20_000))
            wrong.append("20,000 headers were taken")
        except BadRequestError:
            await _put(nc, f"ql.evt.{TENANT}.{nobody}.root.completed.2", b"{}", _bomb(2_000))
    if not await world.until("SELECT count(*) >= 2 FROM dead_letters WHERE workflow_id = $1", nobody):
        wrong.append("the message with 2,000 headers has no dead letters")
    healthy = await world.submit()
    await world.ended([healthy])
    if worker.pid != pid:
        wrong.append("the worker died")
    return Seen(wrong=wrong + await check(world, [healthy]))


async def replayed(world: World) -> Seen:
    """The whole stream is read from its beginning while workers are up: nothing is written, stored or asked."""
    await world.staff(2)
    await world.ended([await world.submit()])
    await _quiet(world)
    before = (await world.fetch(EVERYTHING))[0], len(world.calls())
    read = sum([len(await stream(world)) for _ in range(3)])
    await asyncio.sleep(1.5)
    after = (await world.fetch(EVERYTHING))[0], len(world.calls())
    wrong = [] if before == after else [f"before {before}, after {after}"]
    return Seen(wrong=wrong if read else ["nothing was replayed"], note=f"{read} messages read")


async def _forge(
    nc: Client, workflow: str, stage: str, revision: int, more: Mapping[str, str] | None = None, tenant: str = TENANT
) -> None:
    """A completion nobody wrote; `tenant` is the one in its body."""
    ref = Ref(key="artifacts/no/such", offset=0, length=1, sha256="0" * 64)
    data = StageCompleted(
        tenant=TENANT,
        workflow=workflow,
        drop=f"{workflow}.{stage}.{revision}",
        stage=stage,
        revision=revision,
        artifact=ref,
        media_type="application/json",
    )
    told = event(data, stage=stage, outcome="completed", revision=revision, time="2026-01-01T00:00:00Z")
    subject, headers, body = cloudevents.to_binary(cloudevents.to_structured(told))
    await _put(nc, subject, body.replace(f'"{TENANT}"'.encode(), f'"{tenant}"'.encode(), 1), headers | dict(more or {}))


def _bomb(count: int) -> dict[str, str]:
    return {f"x-{number}": "y" * 16 for number in range(count)}


def _headers(workflow: str, revision: int) -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-id": f"{workflow}.root.completed.{revision}",
        "ce-source": "/chaos",
        "ce-type": "dev.quantumlayer.root.completed.v1",
        "ce-time": "2026-01-01T00:00:00Z",
        "ce-subject": f"ql.evt.{TENANT}.{workflow}.root.completed.{revision}",
    }


BODIES = {
    "empty": b"",
    "random": random.Random(1).randbytes(1_000_000),  # noqa: S311  # noise, no secret
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "huge number": b'{"tenant":"default","workflow":"w","revision":' + b"9" * 10_000 + b"}",
    "not a number": b'{"tenant":"default","workflow":"w","revision":NaN}',
    "half a surrogate pair": b'{"tenant":"\\ud800","workflow":"\\udfff"}',
    "NUL": b'{"tenant":"\\u0000","workflow":"\0"}',
    "keys twice": b'{"tenant":"default","tenant":"another","workflow":"w","workflow":"v"}',
}


async def _put(nc: Client, subject: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Into the stream, as anybody with the right to publish could."""
    await nc.jetstream().publish(subject, body, headers=dict(headers), timeout=10)


async def _refused(nc: Client) -> bool:
    """By the server itself: our client would not even send it."""
    limit = nc.max_payload
    url = nc.connected_url
    assert url is not None
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        await reader.readline()
        who = f'{{"user":"{url.username}","pass":"{url.password}","verbose":false}}'
        writer.write(f"CONNECT {who}\r\nPUB ql.evt.x.y.z.completed.1 {limit + 1}\r\n".encode())
        await writer.drain()
        said = await asyncio.wait_for(reader.read(4096), 5)
        return b"Maximum Payload" in said
    finally:
        writer.close()


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _quiet(world: World) -> None:
    """Until every durable has delivered and settled all that it has."""
    async with world.connected() as nc:
        for _ in range(200):
            infos = [await call(nc, f"CONSUMER.INFO.{STREAM}.{stage}") for stage in ("root", "left", "right", "join")]
            if not any(info["num_pending"] or info["num_ack_pending"] for info in infos):
                return
            await asyncio.sleep(0.1)


def cases() -> list[Case]:
    """Rows F11-F14, F30."""
    return [
        Case(row="F11", name="ten times", run=duplicates),
        Case(row="F12", name="forged", run=forged),
        Case(row="F13", name="malformed", run=malformed),
        Case(row="F14", name="too large", run=too_large),
        Case(row="F30", name="replay", run=replayed),
    ]
