"""F1: a process kills itself at every point of the protocol, at every stage. F22: the same, cancelled meanwhile."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from pathlib import Path

from tests.chaos.case import Case, Seen
from tests.chaos.checker import Expected, check
from tests.chaos.graph import TOPOLOGY, Do, Plan
from tests.chaos.world import World
from workers.kit.crash import POINTS

MODEL_POINTS = ("before_llm", "after_llm", "after_journal")
"""Here the router may be the one that dies."""

DEADLINE_S = 4.0
SIBLING = {"left": "right", "right": "left"}
HANDED_OVER = """
    SELECT count(*) = 2 FROM drops WHERE workflow_id = $1 AND stage IN ('left', 'right') AND epoch = 1
"""
EPOCHS = "SELECT stage, epoch FROM drops WHERE workflow_id = $1"
AFTER_CANCEL = """
    SELECT d.id, d.state FROM drops d JOIN workflows w ON w.id = d.workflow_id
    WHERE w.id = $1 AND (d.created_at > w.ended_at OR (d.state = 'completed' AND d.updated_at > w.ended_at))
"""


async def _armed(world: World, stage: str, point: str) -> Path:
    """One worker, and a router, that die there; the file that says so."""
    file = world.folder / f"crash-{world.number()}"
    env = {"QL_CRASH": f"{stage}:{point}:{file}"}
    await world.staff(0)
    await world.work(1, env)
    if point in MODEL_POINTS:
        await world.route(env)
    return file


async def crashed(world: World, stage: str, point: str) -> Seen:
    """One workflow, one death."""
    file = await _armed(world, stage, point)
    workflow = await world.submit()
    took = await world.ended([workflow])
    wrong = [] if file.exists() else ["the crash never happened"]
    calls = {stage: (2, 2)} if point == "after_llm" else {}
    if point in MODEL_POINTS and stage in SIBLING:  # its question may have died with the same router
        calls[SIBLING[stage]] = (1, 2)
    wrong += await check(world, {workflow: Expected(calls=calls)})
    if point in MODEL_POINTS:
        await world.route()
    return Seen(wrong=wrong, note="" if took < 12 else f"{took:.1f} s")


async def handed_over(world: World) -> Seen:
    """A process dies right after a commit that handed it the next two stages: their leases pass, and others do them."""
    file = await _armed(world, "root", "after_commit")
    await world.present(1)
    await asyncio.sleep(0.5)  # by now it asks for work at every stage
    workflow = await world.submit()
    wrong = [] if await world.until(HANDED_OVER, workflow) else ["nothing was handed over"]
    took = await world.ended([workflow])
    wrong += [] if file.exists() else ["the crash never happened"]
    wrong += await check(world, [workflow])
    begun = {row["stage"]: row["epoch"] for row in await world.fetch(EPOCHS, workflow)}
    if begun.get("left", 0) < 2 or begun.get("right", 0) < 2:
        wrong.append(f"nobody took over what had been handed over: epochs {begun}")
    return Seen(wrong=wrong, note=f"{took:.1f} s")


async def cancelled(world: World, stage: str, point: str) -> Seen:
    """Cancelled twice between the death and the next life: it ends once, and nothing begins afterwards."""
    file = await _armed(world, stage, point)
    workflow = await world.submit(Plan(do={"join": Do(model_s=1.5)}))
    for _ in range(400):
        if file.exists():
            break
        await asyncio.sleep(0.02)
    wrong = [] if file.exists() else ["the crash never happened"]
    first = await world.cancel(workflow)
    second = await world.cancel(workflow)
    if not first or second:
        wrong.append(
            f"the first cancel was {'done' if first else 'refused'}, the second {'done' if second else 'refused'}"
        )
    await world.ended([workflow])
    await asyncio.sleep(1.5)
    wrong += [
        f"{row['id']} is {row['state']} since after the cancel" for row in await world.fetch(AFTER_CANCEL, workflow)
    ]
    await world.ended([workflow])  # quiet again, where the keeper had everything sent once more meanwhile
    allowed = dict.fromkeys(TOPOLOGY.stages, (0, 2)) if point in MODEL_POINTS else {}
    wrong += await check(world, {workflow: Expected(state="cancelled", calls=allowed)})
    if point in MODEL_POINTS:
        await world.route()
    return Seen(wrong=wrong)


async def cancelled_running(world: World) -> Seen:
    """Cancelled while a model is being asked: the work stops, its answer is not committed; cancelled again after it."""
    await world.staff(1)
    workflow = await world.submit(Plan(do={"left": Do(model_s=4)}))
    wrong = (
        []
        if await world.until("SELECT count(*) > 0 FROM drops WHERE workflow_id = $1 AND stage = 'left'", workflow)
        else ["left never began"]
    )
    await world.cancel(workflow)
    took = await world.ended([workflow])
    if took > 5:
        wrong.append(f"it took {took:.1f} s to end")
    await asyncio.sleep(4.5)
    wrong += [
        f"{row['id']} is {row['state']} since after the cancel" for row in await world.fetch(AFTER_CANCEL, workflow)
    ]
    done = await world.submit()
    await world.ended([workflow, done])  # both: the keeper may have had everything sent again meanwhile
    if await world.cancel(done):
        wrong.append("a completed workflow could be cancelled")
    return Seen(wrong=wrong + await check(world, {workflow: Expected(state="cancelled"), done: Expected()}))


async def expired(world: World) -> Seen:
    """The deadline passes while a stage works and its worker dies: it ends once, and its late answer is not kept."""
    (worker,) = await world.staff(1)
    workflow = await world.submit(Plan(do={"left": Do(model_s=DEADLINE_S + 2)}), deadline_s=DEADLINE_S)
    began = "SELECT count(*) > 0 FROM drops WHERE workflow_id = $1 AND stage = 'left' AND state = 'running'"
    wrong = [] if await world.until(began, workflow) else ["left never began"]
    worker.send(signal.SIGKILL)
    took = await world.ended([workflow])
    await asyncio.sleep(3.5)  # until the model has answered
    wrong += [f"{row['id']} is {row['state']} since after its end" for row in await world.fetch(AFTER_CANCEL, workflow)]
    if worker.deaths == 0:
        wrong.append("the worker did not die")
    return Seen(wrong=wrong + await check(world, {workflow: Expected(state="expired")}), note=f"{took:.1f} s")


def cases() -> list[Case]:
    """Every point at every stage, and every point once with a cancel."""
    pairs = [(stage, point) for point in POINTS for stage in TOPOLOGY.stages]
    found = [
        Case(row="F1", name=f"{stage}:{point}", run=partial(crashed, stage=stage, point=point))
        for stage, point in pairs
    ]
    found += [
        Case(row="F22", name=f"left:{point}", run=partial(cancelled, stage="left", point=point)) for point in POINTS
    ]
    return [
        *found,
        Case(row="F1", name="handed over", run=handed_over),
        Case(row="F1", name="its deadline passes", run=expired),
        Case(row="F22", name="while the model is asked", run=cancelled_running),
    ]
