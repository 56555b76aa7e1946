"""Stages, models and artifacts that go wrong: F5, F9, F10, F15 and F17. F9 and F10 as far as one provider reaches."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping
from functools import partial

import obstore

from tests.chaos.case import Case, Seen
from tests.chaos.checker import Expected, bucket, check
from tests.chaos.graph import Do, Plan
from tests.chaos.world import World

WROTE = "SELECT state = 'completed' FROM drops WHERE workflow_id = $1 AND stage = $2 AND revision = 1"
LETTER = "SELECT reason, kind FROM dead_letters WHERE workflow_id = $1"
CALM_S = 12.0
"""For how long the p95 of the healthy is measured, with and without poison."""

WORSE = 1.2


async def damaged(world: World, how: str) -> Seen:
    """The artifact of left is gone or changed before join reads it: it is made again, and nobody pays again."""
    await world.staff(1)
    workflow = await world.submit(Plan(do={"right": Do(model_s=2.5)}))
    wrong = [] if await world.until(WROTE, workflow, "left") else ["left did not complete"]
    await world.rest()  # what it keeps in memory is gone with it
    (row,) = await world.fetch("SELECT * FROM drops WHERE workflow_id = $1 AND stage = 'left'", workflow)
    store, key = bucket(world), row["artifact_key"]
    if how == "deleted":
        await obstore.delete_async(store, key)
    else:
        body = bytearray(await (await obstore.get_async(store, key)).bytes_async())
        body[row["artifact_offset"]] ^= 1
        await obstore.put_async(store, key, bytes(body))
    await world.staff(1)
    took = await world.ended([workflow])
    wrong += await check(world, [workflow])
    (healed,) = await world.fetch("SELECT * FROM drops WHERE workflow_id = $1 AND stage = 'left'", workflow)
    if healed["epoch"] == row["epoch"]:
        wrong.append("left was not made again, so nothing was healed")
    return Seen(wrong=wrong, note=f"healed within {took:.1f} s")


async def overloaded(world: World) -> Seen:
    """The provider refuses twice for a while: the stage tries again, and the model is paid once."""
    await world.staff(1)
    workflow = await world.submit(Plan(do={"root": Do(problems=2), "join": Do(problems=1)}))
    took = await world.ended([workflow])
    return Seen(wrong=await check(world, [workflow]), note=f"{took:.1f} s")


async def away(world: World) -> Seen:
    """No router for ten seconds: work waits, without a hot loop, and goes on."""
    await world.staff(1)
    assert world.router is not None
    await world.router.stop()
    workflow = await world.submit()
    await asyncio.sleep(9)
    (waiting,) = await world.fetch("SELECT attempts FROM drops WHERE workflow_id = $1", workflow)
    await world.route()
    await world.ended([workflow])
    (spent,) = await world.fetch("SELECT max(attempts) AS n FROM drops WHERE workflow_id = $1", workflow)
    told = f"{spent['n']} attempts; meanwhile {waiting['attempts']}"
    return Seen(wrong=await check(world, [workflow]), note=told)


async def poisoned(world: World, fault: str = "bug") -> Seen:
    """A stage that always raises: a dead letter with the cause, a failed workflow, and the others complete."""
    await world.staff(0)
    await world.work(1, {"QL_ATTEMPTS": "2"})
    poison = await world.submit(Plan(do={"left": Do(raises=99, fault="bug" if fault == "bug" else "permanent")}))
    others = [await world.submit() for _ in range(5)]
    await world.ended([poison, *others])
    wrong = await check(world, {poison: Expected(state="failed")} | dict.fromkeys(others, Expected()))
    letters = await world.fetch(LETTER, poison)
    if fault == "bug" and (len(letters) != 1 or "a bug on purpose" not in letters[0]["reason"]):
        wrong.append(f"its dead letters are {[tuple(letter) for letter in letters]}")
    return Seen(wrong=wrong)


async def poison_beside(world: World) -> Seen:
    """The p95 of healthy workflows, with and without poison among them."""
    await world.staff(2)
    await _p95(world, 3.0, None)
    calm = await _p95(world, CALM_S, None)
    poison = Plan(do={"left": Do(raises=99)})
    beside = await _p95(world, CALM_S, poison)
    again = await _p95(world, CALM_S, None)
    base = statistics.mean((calm, again))
    note = f"p95 {base * 1000:.0f} ms without, {beside * 1000:.0f} ms with poison: {beside / base - 1:+.0%}"
    return Seen(wrong=[] if beside <= WORSE * base else [note], note=note)


async def _p95(world: World, seconds: float, poison: Plan | None) -> float:
    """Of the seconds from submission to completion, ten a second; `poison` is submitted as every fifth."""
    healthy, until, count = [], time.monotonic() + seconds, 0
    while time.monotonic() < until:
        count += 1
        if poison is not None and count % 5 == 0:
            await world.submit(poison)
        else:
            healthy.append(await world.submit(Plan(model_s=0.05)))
        await asyncio.sleep(0.1)
    await world.until("SELECT count(*) = 0 FROM workflows WHERE id = ANY($1) AND state = 'active'", healthy)
    took = "SELECT extract(epoch FROM ended_at - created_at)::float AS s FROM workflows WHERE id = ANY($1)"
    seen: list[float] = [row["s"] for row in await world.fetch(took, healthy) if row["s"]]
    return statistics.quantiles(seen, n=20)[-1]


async def parked(world: World) -> Seen:
    """More parked work than a durable may have un-acked: a healthy workflow still passes it."""
    await world.staff(1)
    stuck = Plan(do={"root": Do(raises=1, fault="transient", retry_after=10)})
    waiting = [await world.submit(stuck) for _ in range(300)]
    await world.until("SELECT count(*) >= 300 FROM drops WHERE workflow_id = ANY($1) AND state = 'retry'", waiting)
    began = time.monotonic()
    healthy = await world.submit()
    await world.until("SELECT state = 'completed' FROM workflows WHERE id = $1", healthy)
    took = time.monotonic() - began
    await world.ended(waiting, 90)
    wrong = [] if took < 3 else [f"a healthy workflow took {took:.1f} s behind parked ones"]
    return Seen(wrong=wrong + await check(world, [healthy, *waiting]), note=f"{took:.2f} s past 300 parked workflows")


def cases() -> list[Case]:
    """Rows F5, F9, F10, F15, F17."""
    runs: Mapping[str, str] = {"deleted": "its object is deleted", "flipped": "a bit of it is flipped"}
    return [
        *(Case(row="F5", name=name, run=partial(damaged, how=how)) for how, name in runs.items()),
        Case(row="F9", name="refused for a while", run=overloaded),
        Case(row="F10", name="no router for a while", run=away),
        Case(row="F15", name="a bug", run=poisoned),
        Case(row="F15", name="permanent", run=partial(poisoned, fault="permanent")),
        Case(row="F15", name="p95 of the others", run=poison_beside, alone=True),
        Case(row="F17", name="300 parked", run=parked),
    ]
