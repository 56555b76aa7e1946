"""F4 and F19: the power is cut under a server's disk, or the disk is full. `rows()` runs them all, in about 3 minutes.

Each case has a disk of its own, an image that is mounted over the loop device; where that is not allowed, the rows say
so and are skipped.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import nats
from nats.aio.client import Client
from urllib3 import PoolManager

from deploy.local.paths import data_home, make_folder
from deploy.local.stack import FOLDERS, NATS, POSTGRES, S3, Stack
from tests.chaos.checker import Expected, check
from tests.chaos.disk_image import Disk, NoDisk, disk, require, workshop
from tests.chaos.graph import Plan
from tests.chaos.row import Row, Verdict
from tests.chaos.world import World, world
from tests.deploy.watching import holders
from tests.servers import s3_client
from workers.kit.runner.api import call

POWER_CUT, DISK_FULL = "power cut under NATS, PostgreSQL, S3, all of them", "disk full under NATS, PostgreSQL, S3"
LOAD_S = 5.0
SYNCED_S = 3.0
"""With `sync_interval: 1s`, what was acknowledged longer ago than this is on the disk."""
READ_S = 5.0
FULL_S = 8.0
RECOVERED_S = 60.0
PAID = dict.fromkeys(("root", "left", "right", "join"), (1, 2))
"""A router that could not keep an answer, or whose asker could not hear it, was paid in vain."""
ATTEMPTS = 5
"""While PostgreSQL takes nothing, no answer can be kept: each attempt asks the model again."""
Wrong = list[str]


class Seen:
    """What a row's cases saw: `wrong` makes it red."""

    def __init__(self) -> None:
        self.cases = 0
        self.wrong: Wrong = []
        self.notes: list[str] = []

    async def case(self, name: str, run: Callable[[Path], Awaitable[tuple[str, Wrong]]], folder: Path) -> None:
        """Run one on a folder of its own."""
        self.cases += 1
        try:
            note, wrong = await run(make_folder(folder / name.replace(" ", "-")))
        except Exception as error:  # noqa: BLE001  # a case that can't be finished is red, and the others go on
            note, wrong = "", [f"{type(error).__name__}: {str(error)[:1200]}"]
        self.notes.append(f"{name}: {note}")
        self.wrong += [f"{name}: {sentence}" for sentence in wrong]


async def rows() -> list[Row]:
    """Both rows; skipped where no disk can be mounted."""
    with workshop(data_home()) as folder:
        try:
            await asyncio.to_thread(require, folder)
        except NoDisk as error:
            return [_skipped("F4", POWER_CUT, error), _skipped("F19", DISK_FULL, error)]
        return [await _row("F4", POWER_CUT, CUTS, folder), await _row("F19", DISK_FULL, FULL, folder)]


def _skipped(name: str, fault: str, why: NoDisk) -> Row:
    return Row(id=name, fault=fault, cases=0, verdict="skipped", seconds=0, seen=(str(why),))


async def _row(
    name: str, fault: str, cases: Sequence[tuple[str, Callable[[Path], Awaitable[tuple[str, Wrong]]]]], folder: Path
) -> Row:
    began, seen = time.monotonic(), Seen()
    for case, run in cases:
        await seen.case(case, run, folder / name)
    verdict: Verdict = "red" if seen.wrong else "green"
    took, told = time.monotonic() - began, (*seen.wrong, *seen.notes)
    return Row(id=name, fault=fault, cases=seen.cases, verdict=verdict, seconds=took, seen=told)


@asynccontextmanager
async def on_disk(folder: Path, kinds: Sequence[str], mib: int) -> AsyncIterator[Disk]:
    """The data of these servers of the stack in `folder` is on a disk of its own."""
    data = folder / "stack"
    with disk(folder, "disk", mib) as made:
        async with Stack(data, frozenset(kinds)):
            pass  # made with the secrets and owners that they keep
        for kind in kinds:
            await asyncio.to_thread(made.take, data / FOLDERS[kind])
        yield made


def servers_of(stack: Stack, kinds: Sequence[str]) -> set[int]:
    """Every process of these servers; PostgreSQL has children that write."""
    others = {stack.pid(kind) for kind in stack.kinds - set(kinds)}
    if POSTGRES not in kinds:
        return {stack.pid(kind) for kind in kinds}
    return holders(stack.data / "lock") - others - {os.getpid()}


async def power_cut(stack: Stack, made: Disk, kinds: Sequence[str]) -> None:
    """These servers lose their power, and start on what their disk holds."""
    pids = servers_of(stack, kinds)
    made.freeze(pids)
    try:
        await asyncio.to_thread(made.keep)
    finally:
        await asyncio.gather(*(stack.stop(kind, kill=True) for kind in kinds))
    await asyncio.to_thread(made.restore, pids)
    for kind in kinds:
        await stack.start(kind)


async def nats_cut(folder: Path, sync: str) -> tuple[str, Wrong]:
    """What was acknowledged is there: all of it, or all but the last moments."""
    async with on_disk(folder, [NATS], 400) as made, Stack(folder / "stack", frozenset({NATS}), nats_sync=sync) as own:
        acked: dict[int, float] = {}
        nc = await nats.connect(own.urls.nats, max_reconnect_attempts=-1, error_cb=_expected)
        await call(nc, "STREAM.CREATE.CUT", {"name": "CUT", "subjects": ["cut"], "storage": "file", "discard": "new"})
        await asyncio.to_thread(
            made.sync
        )  # NATS leaves a new stream's own settings to the kernel, which writes them within half a minute
        load = [asyncio.create_task(_publish(nc, acked)) for _ in range(50)]
        await asyncio.sleep(LOAD_S)
        at = time.monotonic()
        await power_cut(own, made, [NATS])
        await _cancel(load)
        await nc.close()
        nc = await nats.connect(own.urls.nats)
        state = (await call(nc, "STREAM.INFO.CUT"))["state"]
        await nc.close()
    there = range(state["first_seq"], state["last_seq"] + 1) if state["messages"] else range(0)
    lost = {seq: at - when for seq, when in acked.items() if seq not in there}
    old = [age for age in lost.values() if sync == "always" or age > SYNCED_S]
    wrong = [f"{len(old)} events that should be on disk are gone, one {max(old):.1f} s old"] if old else []
    wrong += [] if len(acked) > 100 else [f"only {len(acked)} events were acknowledged"]
    youngest = f", the oldest {max(lost.values()):.1f} s old" if lost else ""
    return f"{len(acked)} acknowledged, {len(lost)} lost{youngest}", wrong


async def _publish(nc: Client, acked: dict[int, float]) -> None:
    bus, body = nc.jetstream(), bytes(500)
    while True:
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            answer = await bus.publish("cut", body, timeout=30)
            acked[answer.seq] = time.monotonic()


async def postgres_cut(folder: Path) -> tuple[str, Wrong]:
    """Every acknowledged commit is there."""
    only = frozenset({POSTGRES})
    async with on_disk(folder, [POSTGRES], 400) as made, Stack(folder / "stack", only) as own:
        pool = await asyncpg.create_pool(own.urls.database, min_size=8, max_size=8)
        await pool.execute("CREATE TABLE cut (n bigint PRIMARY KEY)")
        acked: list[int] = []
        load = [asyncio.create_task(_insert(pool, acked, lane)) for lane in range(8)]
        await asyncio.sleep(LOAD_S)
        await power_cut(own, made, [POSTGRES])
        await _cancel(load)
        pool.terminate()
        connection = await asyncpg.connect(own.urls.database)
        there = {row["n"] for row in await connection.fetch("SELECT n FROM cut")}
        await connection.close()
    lost = len(set(acked) - there)
    wrong = [f"{lost} acknowledged commits are gone"] if lost else []
    wrong += [] if len(acked) > 100 else [f"only {len(acked)} commits were acknowledged"]
    return f"{len(acked)} commits acknowledged, {lost} lost", wrong


async def _insert(pool: asyncpg.Pool[asyncpg.Record], acked: list[int], lane: int) -> None:
    number = lane
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        while True:
            await pool.execute("INSERT INTO cut VALUES ($1)", number)
            acked.append(number)
            number += 8


async def s3_cut(folder: Path) -> tuple[str, Wrong]:
    """SeaweedFS syncs nothing by itself: what the kernel has written is there, and no object is given out damaged."""
    async with on_disk(folder, [S3], 400) as made, Stack(folder / "stack", frozenset({S3})) as own:
        client, body = s3_client(own.urls.s3), os.urandom(2000)
        await asyncio.to_thread(client.make_bucket, "early")
        await asyncio.sleep(1)
        put: list[str] = []

        def load(seconds: float) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                client.put_object("early", f"o{len(put)}", io.BytesIO(body), len(body))
                put.append(f"o{len(put)}")

        await asyncio.to_thread(load, 1)
        await asyncio.to_thread(made.sync)
        written = len(put)
        await asyncio.to_thread(load, LOAD_S)
        await power_cut(own, made, [S3])
        found = await asyncio.to_thread(_read_all, own.urls.s3, put)
        whole = sum(content == body for content in found)
        damaged = sum(content is not None and content != body for content in found)
        again = s3_client(own.urls.s3)
        await asyncio.to_thread(again.make_bucket, "later")
        await asyncio.to_thread(again.put_object, "later", "o", io.BytesIO(body), len(body))
    wrong = [f"{damaged} objects came back with other bytes"] if damaged else []
    if gone := sum(content is None for content in found[:written]):
        wrong.append(f"{gone} of {written} objects that were on the disk are gone")
    wrong += [] if 20 < written < len(put) else [f"only {written} and {len(put) - written} objects were acknowledged"]
    note = f"{written} objects on the disk, and {len(put) - written} more acknowledged; {len(put) - whole} lost"
    return note, wrong


def _read_all(url: str, names: Sequence[str]) -> list[bytes | None]:
    once = PoolManager(retries=False, timeout=READ_S)  # a lost one is a 500, which the client would ask again for
    client, found = s3_client(url, once), list[bytes | None]()
    for name in names:
        try:
            with client.get_object("early", name) as response:
                found.append(response.read())
        except Exception:  # noqa: BLE001  # whatever it is, the object is not there
            found.append(None)
    return found


async def workflows_cut(folder: Path, kinds: Sequence[str]) -> tuple[str, Wrong]:
    """In the middle of 60 workflows the power goes; all of them complete."""
    async with on_disk(folder, kinds, 900 if len(kinds) > 1 else 400) as made, world(folder, workers=1) as place:
        await asyncio.to_thread(made.sync)  # the bucket and the streams are older than half a minute
        workflows = [await place.submit(Plan(model_s=0.1)) for _ in range(60)]
        done = "SELECT count(*) >= 15 FROM workflows WHERE id = ANY($1) AND state = 'completed'"
        begun = await place.until(done, workflows, within_s=60)
        before = (await place.fetch("SELECT count(*) AS n FROM workflows WHERE state = 'completed'"))[0]["n"]
        await power_cut(place.stack, made, kinds)
        took = await place.ended(workflows, within_s=RECOVERED_S)
        paid = dict.fromkeys(workflows, Expected(calls=PAID))
        wrong = await check(place, paid) if S3 not in kinds else await _not_completed(place, workflows)
    wrong += [] if begun and before < 60 else [f"{before} were done before the cut, not 15 to 59"]
    return f"cut when {before} of 60 workflows were done, the rest {took:.1f} s later", wrong


async def _not_completed(place: World, workflows: Sequence[str]) -> Wrong:
    """Objects of workflows that were done may be gone for good; every workflow must have come to its end."""
    found = await place.fetch("SELECT state, error FROM workflows WHERE id = ANY($1)", workflows)
    ends = Counter(f"{row['state']} {row['error'] or ''}".strip() for row in found)
    return [] if ends == {"completed": len(workflows)} else [f"{count} {end}" for end, count in ends.items()]


async def full(folder: Path, kind: str) -> tuple[str, Wrong]:
    """While the disk is full, what is accepted waits; with room again, all of it completes within a minute."""
    async with on_disk(folder, [kind], 400) as made, world(folder, workers=1) as place:
        workflows = [await place.submit(Plan(model_s=0.05)) for _ in range(5)]
        await place.ended(workflows, within_s=30)
        refused = 0
        made.fill()
        until = time.monotonic() + FULL_S
        while time.monotonic() < until:
            try:
                async with asyncio.timeout(5):
                    workflows.append(await place.submit(Plan(model_s=0.05)))
            except Exception:  # noqa: BLE001  # refused, in whatever words: it was not accepted
                refused += 1
            await asyncio.sleep(0.2)
        made.make_room()
        took = await place.ended(workflows, within_s=RECOVERED_S)
        wrong = [] if took < RECOVERED_S else [f"not recovered {took:.0f} s after there was room"]
        paid = Expected(calls=dict.fromkeys(PAID, (1, ATTEMPTS)) if kind == POSTGRES else PAID)
        wrong += await check(place, dict.fromkeys(workflows, paid))
        later = await place.submit()
        await place.ended([later], within_s=RECOVERED_S)  # SeaweedFS looks once a minute whether there is room
        wrong += await check(place, [later])
    return f"{len(workflows)} accepted, {refused} refused, all done {took:.1f} s after there was room", wrong


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _expected(_: Exception) -> None:
    """The server is cut off on purpose."""


CUTS = (
    ("nats always", partial(nats_cut, sync="always")),
    ("nats 1s", partial(nats_cut, sync="1s")),
    ("postgresql", postgres_cut),
    ("s3", s3_cut),
    ("workflows, nats cut", partial(workflows_cut, kinds=[NATS])),
    ("workflows, postgresql cut", partial(workflows_cut, kinds=[POSTGRES])),
    ("workflows, everything cut", partial(workflows_cut, kinds=[NATS, POSTGRES, S3])),
)
FULL = tuple((kind, partial(full, kind=kind)) for kind in (NATS, POSTGRES, S3))
