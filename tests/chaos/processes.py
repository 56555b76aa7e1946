"""Workers that are stopped, stuck, slow, set to another time, replaced or of another version: F6-F8, F21, F23-F25."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from contracts.subjects import STREAM
from tests.chaos.case import Case, Seen
from tests.chaos.checker import check
from tests.chaos.graph import TOPOLOGY, Do, Plan
from tests.chaos.world import ACK_WAIT_S, LEASE_S, REPOSITORY, TENANT, World
from workers.keeper.provision import WORKERS, make_durable
from workers.kit.runner.api import call
from workers.kit.runner.publish import Publisher

ROWS = "SELECT * FROM drops WHERE workflow_id = ANY($1) ORDER BY id"
EVENTS = "SELECT id, published_seq FROM events WHERE workflow_id = ANY($1) ORDER BY id"
SPENT = "SELECT max(attempts) AS attempts, max(epoch) AS epoch, count(*) AS n FROM drops WHERE workflow_id = ANY($1)"
FAKETIME = ("libfaketimeMT.so.1", "/usr/lib", "/usr/local/lib", "/usr/lib64")
OLD = "2ff7e552db7330dba3f6cfab6e70b943cae876e2"
"""The last commit of part 1."""


async def stopped(world: World, stage: str, after_s: float) -> Seen:
    """A worker is stopped for twice its lease at its work, and another takes over: awake again, it commits nothing."""
    (first,) = await world.staff(1)
    workflow = await world.submit(Plan(model_s=0.4))
    await world.until("SELECT count(*) > 0 FROM drops WHERE workflow_id = $1 AND stage = $2", workflow, stage)
    await asyncio.sleep(after_s)
    began = time.monotonic()
    first.send(signal.SIGSTOP)
    try:
        await world.work(1)
        await world.ended([workflow])
        await asyncio.sleep(max(0.0, 2 * LEASE_S - (time.monotonic() - began)))
        before = await world.fetch(ROWS, [workflow]), await world.fetch(EVENTS, [workflow])
    finally:
        first.send(signal.SIGCONT)
    await asyncio.sleep(2.5)
    after = await world.fetch(ROWS, [workflow]), await world.fetch(EVENTS, [workflow])
    wrong = [] if before == after else ["the worker that was stopped has written something"]
    wrong += await check(world, [workflow])
    if max(row["epoch"] for row in after[0]) == 1:
        wrong.append("nobody took over, so nothing was tried")
    return Seen(wrong=wrong)


async def blocked(world: World) -> Seen:
    """A stage blocks its process's event loop for three times ack_wait: no heartbeat, another worker does the work."""
    await world.staff(2)
    workflow = await world.submit(Plan(do={"left": Do(block_s=3 * ACK_WAIT_S)}))
    took = await world.ended([workflow])
    await asyncio.sleep(max(0.0, 3 * ACK_WAIT_S + 1 - took))
    epoch = (await world.fetch(SPENT, [workflow]))[0]["epoch"]
    wrong = [] if epoch > 1 else ["nobody else took over, so nothing was tried"]
    return Seen(wrong=wrong + await check(world, [workflow]), note=f"taken over at epoch {epoch}")


async def slow_model(world: World, times: float) -> Seen:
    """The model takes longer than ack_wait: one call, one attempt, no wake."""
    await world.staff(1)
    workflow = await world.submit(Plan(do={"root": Do(model_s=times * ACK_WAIT_S)}))
    await world.ended([workflow], times * ACK_WAIT_S + 20)
    spent = (await world.fetch(SPENT, [workflow]))[0]
    wrong = (
        []
        if (spent["attempts"], spent["epoch"]) == (1, 1)
        else [f"{spent['attempts']} attempts, epoch {spent['epoch']}"]
    )
    return Seen(wrong=wrong + await check(world, [workflow]))


async def other_time(world: World) -> Seen:
    """Two workers, an hour ahead and an hour behind, and one whose clock jumps."""
    library = next((path for root in FAKETIME[1:] for path in Path(root).rglob(FAKETIME[0])), None)
    if library is None:
        return Seen(skipped="libfaketime is not installed (Debian: apt-get install faketime)")
    await world.staff(0)
    clock = world.folder / "clock"
    clock.write_text("+0\n")
    fake = {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    await world.work(1, fake | {"FAKETIME": "+1h"})
    await world.work(1, fake | {"FAKETIME": "-1h"})
    await world.work(1, fake | {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"})
    workflows = []
    for jump in ("+0", "+3600", "-3600", "+86400", "-5"):
        clock.write_text(f"{jump}\n")
        workflows += [await world.submit(Plan(model_s=0.1)) for _ in range(4)]
        await asyncio.sleep(1)
    took = await world.ended(workflows)
    spent = (await world.fetch(SPENT, workflows))[0]
    wrong = await check(world, workflows)
    if spent["attempts"] != 1:
        wrong.append(f"a row needed {spent['attempts']} attempts")
    return Seen(wrong=wrong, note=f"20 workflows, the last {took:.1f} s after its submission")


async def same_message(world: World) -> Seen:
    """Two workers are woken for the same workflow many times at the same moment: one claim a row."""
    await world.staff(2)
    workflows = [await world.submit(Plan(model_s=0.3)) for _ in range(5)]
    async with world.connected() as nc:
        publisher = Publisher(nc, world.reads)
        for _ in range(10):
            told = [publisher.wake(stage, TENANT, w) for w in workflows for stage in ("root", "left", "right", "join")]
            await asyncio.gather(*told)
            await asyncio.sleep(0.1)
    await world.ended(workflows)
    spent = (await world.fetch(SPENT, workflows))[0]
    wrong = [] if spent["epoch"] == 1 else [f"a row was claimed {spent['epoch']} times"]
    return Seen(wrong=wrong + await check(world, workflows), note="200 wakes for 20 rows")


async def rolled(world: World, count: int = 60) -> Seen:
    """Each of three workers is replaced by another under load: no attempt is lost, no lease has to expire."""
    await world.staff(3)
    submitting = asyncio.create_task(_stream_of(world, count))
    slowest = 0.0
    for worker in list(world.workers):
        await asyncio.sleep(0.7)
        await world.work(1)
        await asyncio.sleep(1)
        world.workers.remove(worker)
        began = time.monotonic()
        await worker.stop()
        slowest = max(slowest, time.monotonic() - began)
    workflows = await submitting
    await world.ended(workflows)
    spent = (await world.fetch(SPENT, workflows))[0]
    back = (await world.fetch("SELECT count(*) AS n FROM drops WHERE workflow_id = ANY($1) AND epoch > 1", workflows))[
        0
    ]
    wrong = [] if spent["attempts"] == 1 else [f"a row needed {spent['attempts']} attempts"]
    if slowest > 12:
        wrong.append(f"a worker took {slowest:.1f} s to stop")
    note = f"{count} workflows, slowest stop {slowest:.1f} s, {back['n']} rows handed back"
    return Seen(wrong=wrong + await check(world, workflows), note=note)


async def _stream_of(world: World, count: int) -> list[str]:
    found = []
    for _ in range(count):
        found.append(await world.submit(Plan(model_s=0.2)))
        await asyncio.sleep(0.1)
    return found


async def old_and_new(world: World) -> Seen:
    """Workers of part 1's last commit and of this tree, side by side on today's tables: as long as the durables are an
    old keeper's both work, and when today's has been there the new ones do it all."""
    code = world.folder / "old"
    if reason := await asyncio.to_thread(_check_out, code):
        return Seen(skipped=reason)
    await world.staff(1)
    await _grouped(world, {})
    await world.work(1, code=code)
    await world.present(2)
    workflows = await _stream_of(world, 30)
    took = await world.ended(workflows)
    wrong = await check(world, workflows)
    if world.workers[-1].deaths:
        wrong.append(
            f"the old worker died {world.workers[-1].deaths} times; its log is {world.workers[-1].command.log}"
        )
    shares = sorted(done.get("completed", 0) for done in await world.told(1.0))
    if len(shares) != 2 or not shares[0]:
        wrong.append(f"the workers completed {shares} stages: one of them did nothing")
    await _grouped(world, {"priority_groups": [WORKERS], "priority_policy": "prioritized"})
    workflows = await _stream_of(world, 10)
    later = await world.ended(workflows)
    wrong += await check(world, workflows)
    note = f"30 workflows, {shares} stages by either, done after {took:.1f} s; 10 by the new one after {later:.1f} s"
    return Seen(wrong=wrong, note=note)


async def _grouped(world: World, groups: Mapping[str, object]) -> None:
    """The stages' durables have these groups now, as a keeper that has just started makes them."""
    async with world.connected() as nc:
        for stage in TOPOLOGY.stages:
            info = await call(nc, f"CONSUMER.INFO.{STREAM}.{stage}")
            kept = {key: value for key, value in info["config"].items() if not key.startswith("priority_")}
            await make_durable(nc, {**kept, **groups})


def _check_out(code: Path) -> str:
    """The old commit's tree with this folder's worker in it; why not, where git does not have it."""
    shutil.rmtree(code, ignore_errors=True)
    found = subprocess.run(["git", "archive", OLD], cwd=REPOSITORY, capture_output=True, check=False)
    if found.returncode:
        return f"this checkout has no commit {OLD[:7]}: {found.stderr.decode(errors='replace').strip()[:100]}"
    code.mkdir()
    subprocess.run(["tar", "x"], input=found.stdout, cwd=code, check=True)
    shutil.copytree(REPOSITORY / "tests" / "chaos", code / "tests" / "chaos")
    return ""


def cases() -> list[Case]:
    """Rows F6, F7, F8, F21, F23, F24, F25."""
    found = [
        Case(row="F6", name=f"{stage} +{after:g} s", run=partial(stopped, stage=stage, after_s=after))
        for stage, after in (("root", 0), ("root", 0.2), ("left", 0), ("left", 0.2), ("join", 0), ("join", 0.2))
    ]
    found += [Case(row="F8", name=f"x{times:g}", run=partial(slow_model, times=times)) for times in (2.5, 10)]
    return [
        *found,
        Case(row="F7", name="3 x ack_wait", run=blocked),
        Case(row="F21", name="an hour ahead and behind, jumping", run=other_time),
        Case(row="F23", name="wakes at once", run=same_message),
        Case(row="F24", name="three workers replaced", run=rolled),
        Case(row="F25", name="part 1 beside this tree", run=old_and_new),
    ]
