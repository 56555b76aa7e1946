"""Stages, models and artifacts that go wrong: F5, F9, F10, F15 and F17. F9 and F10 as far as one provider reaches."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping
from functools import partial

import msgspec
import obstore

from tests.chaos.case import Case, Seen
from tests.chaos.checker import Expected, bucket, check
from tests.chaos.graph import Do, Plan
from tests.chaos.world import World
from workers.kit.settings import Settings

WROTE = "SELECT state = 'completed' FROM drops WHERE workflow_id = $1 AND stage = $2 AND revision = 1"
LETTER = "SELECT reason, kind FROM dead_letters WHERE workflow_id = $1"
ROUNDS = 5
ROUND_S = 8.0
"""The p95 of the healthy is measured so often and so long, in turn with and without poison: one alone is noise."""

WORSE = 1.2
AWAY_S = 9.0
ASKED_PER_S = 1.0
"""Of a workflow, while there is no router; the client asks for a second's pause."""

BUS_PER_S = 30.0
"""Messages that one such question, its claim's wake and their answers may add to a quiet bus; a loop adds thousands."""

DEFAULTS = Settings()


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
    """No router for a while: work waits, without a hot loop, and goes on."""
    await world.staff(1)
    assert world.router is not None
    await world.router.stop()
    quiet = await _bus_rate(world, 3.0)
    workflow = await world.submit()
    busy = await _bus_rate(world, AWAY_S)
    # A question is asked under a claim of its own, and each claim takes the next epoch.
    found = await world.fetch("SELECT epoch, attempts FROM drops WHERE workflow_id = $1", workflow)
    asked = sum(row["epoch"] for row in found)
    await world.route()
    await world.ended([workflow])
    wrong = [] if asked > 1 else [f"the model was asked for {asked} times in {AWAY_S:g} s: nobody tried again"]
    if asked > ASKED_PER_S * AWAY_S + 1:
        wrong.append(f"the model was asked for {asked} times in {AWAY_S:g} s")
    if busy - quiet > BUS_PER_S:
        wrong.append(f"{busy:.0f} messages a second on the bus, {quiet:.0f} without work")
    note = f"asked {asked} times in {AWAY_S:g} s, {busy:.0f} messages a second on the bus, {quiet:.0f} without work"
    return Seen(wrong=wrong + await check(world, [workflow]), note=note)


async def _bus_rate(world: World, seconds: float) -> float:
    """Messages that the bus got a second, of whatever kind."""
    async with world.connected() as nc:

        async def got() -> int:
            answer = await nc.request("$SYS.REQ.SERVER.PING.VARZ", timeout=5)
            return msgspec.json.decode(answer.data, type=_Varz).data.in_msgs

        first, began = await got(), time.monotonic()
        await asyncio.sleep(seconds)
        return (await got() - first) / (time.monotonic() - began)


class _Counted(msgspec.Struct, frozen=True, kw_only=True):
    in_msgs: int


class _Varz(msgspec.Struct, frozen=True, kw_only=True):
    data: _Counted


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
    """The p95 of healthy workflows, with and without poison beside them."""
    await world.staff(0)
    await world.work(2, {"QL_ATTEMPTS": "2"})  # so that the poison of one round is gone before the next
    await world.present(2)
    wrong = (await _round(world, 3.0, poison=False))[1]
    calm, beside = list[float](), list[float]()
    for _ in range(ROUNDS):
        for poison, p95s in ((False, calm), (True, beside)):
            p95, sentences = await _round(world, ROUND_S, poison=poison)
            p95s.append(p95)
            wrong += sentences
    base, worse = statistics.median(calm), statistics.median(beside)
    told = [", ".join(f"{1000 * p95:.0f}" for p95 in p95s) for p95s in (calm, beside)]
    note = f"p95 {worse / base - 1:+.0%}: in ms {told[0]} without, {told[1]} with poison"
    return Seen(wrong=wrong if worse <= WORSE * base else [*wrong, note], note=note)


async def _round(world: World, seconds: float, *, poison: bool) -> tuple[float, list[str]]:
    """The p95 from submission to completion of ten healthy workflows a second, poison beside every fifth; and all that
    is wrong with any of them.
    """
    healthy, bad, until = list[str](), list[str](), time.monotonic() + seconds
    while time.monotonic() < until:
        healthy.append(await world.submit(Plan(model_s=0.05)))
        if poison and len(healthy) % 5 == 0:
            bad.append(await world.submit(Plan(do={"left": Do(raises=99)})))
        await asyncio.sleep(0.1)
    await world.ended([*healthy, *bad])  # what has not ended by then is told by the check
    took = "SELECT extract(epoch FROM ended_at - created_at)::float AS s FROM workflows WHERE id = ANY($1)"
    seen: list[float] = [row["s"] for row in await world.fetch(took, healthy) if row["s"] is not None]
    wrong = await check(world, dict.fromkeys(healthy, Expected()) | dict.fromkeys(bad, Expected(state="failed")))
    if len(seen) != len(healthy):
        wrong.append(f"{len(healthy) - len(seen)} of {len(healthy)} healthy workflows did not end")
    return statistics.quantiles(seen, n=20)[-1] if len(seen) > 1 else float("inf"), wrong


async def letter_at_death(world: World) -> Seen:
    """The worker dies as soon as its attempt has failed for good: the dead letter is there all the same."""
    file = world.folder / f"crash-{world.number()}"
    await world.staff(0)
    await world.work(1, {"QL_CRASH": f"left:after_commit:{file}"})
    workflow = await world.submit(Plan(do={"left": Do(raises=99, fault="permanent")}))
    await world.ended([workflow])
    wrong = [] if file.exists() else ["the crash never happened"]
    await asyncio.sleep(3)  # whoever looks after it later has had his chance
    letters = [tuple(letter) for letter in await world.fetch(LETTER, workflow)]
    if len(letters) != 1 or "permanent on purpose" not in letters[0][0]:
        wrong.append(f"its dead letters are {letters}")
    return Seen(wrong=wrong + await check(world, {workflow: Expected(state="failed")}))


async def flooded(world: World, flood: int, on_bus: int, model_s: float) -> Seen:
    """One tenant floods the factory, another has a single workflow: it does not queue behind the flood."""
    await world.staff(0)
    await world.work(1, {"QL_TENANT_ACTIVE": str(on_bus)})
    await world.present(1)
    plan, lanes = Plan(model_s=model_s), asyncio.Semaphore(16)

    async def one() -> str:
        async with lanes:
            return await world.submit(plan, tenant="flood", most=on_bus)

    workflows = await asyncio.gather(*(one() for _ in range(flood)))
    began = time.monotonic()
    single = await world.submit(plan, tenant="single", most=on_bus)
    done = await world.until("SELECT state = 'completed' FROM workflows WHERE id = $1", single, within_s=90)
    took = time.monotonic() - began
    waiting = "SELECT count(*) AS n FROM workflows WHERE id = ANY($1) AND state = 'active' AND admitted_at IS NULL"
    left = (await world.fetch(waiting, workflows))[0]["n"]
    await world.ended([single, *workflows], 120)
    wrong = [] if done else ["the other tenant's workflow did not complete"]
    if left < flood // 5:
        wrong.append(f"only {left} of {flood} of the flood still waited when the other tenant's workflow was done")
    note = f"{took:.2f} s beside a flood, of which {left} of {flood} still waited"
    return Seen(wrong=wrong + await check(world, [single, *workflows]), note=note)


async def parked(world: World) -> Seen:
    """More parked work than a durable may have un-acked: a healthy workflow still passes it."""
    await world.staff(1)
    stuck = Plan(do={"root": Do(raises=1, fault="transient", retry_after=30)})
    waiting = [await world.submit(stuck) for _ in range(300)]
    parked = "SELECT count(*) >= 300 FROM drops WHERE workflow_id = ANY($1) AND state = 'retry'"
    wrong = [] if await world.until(parked, waiting) else ["300 were never parked at once"]
    began = time.monotonic()
    healthy = await world.submit()
    await world.until("SELECT state = 'completed' FROM workflows WHERE id = $1", healthy)
    took = time.monotonic() - began
    await world.ended(waiting, 90)
    wrong += [] if took < 3 else [f"a healthy workflow took {took:.1f} s behind parked ones"]
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
        Case(row="F15", name="dies beside its letter", run=letter_at_death),
        Case(row="F15", name="p95 of the others", run=poison_beside, alone=True),
        Case(row="F17", name="300 parked", run=parked),
        Case(row="F17", name="a tenant's flood", run=partial(flooded, flood=60, on_bus=5, model_s=0.2)),
        Case(
            row="F17",
            name="a tenant's flood at defaults",
            run=partial(flooded, flood=4 * DEFAULTS.tenant_active, on_bus=DEFAULTS.tenant_active, model_s=2),
        ),
    ]
