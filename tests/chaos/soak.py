"""F28: `python -m tests.chaos.soak --seed N`: random faults under load; a seed gives the same faults in the same order.

Three workers, a stream of workflows, and a script of kills, stops, outages and wipes drawn from the seed beforehand.
Afterwards every workflow is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from functools import partial

import msgspec

from deploy.local.stack import NATS, POSTGRES, S3
from tests.chaos.case import Case, Seen
from tests.chaos.checker import Expected, check
from tests.chaos.folder import own_folder
from tests.chaos.graph import TOPOLOGY, Do, Plan
from tests.chaos.world import LEASE_S, World, world

WORKERS = 3
FAULTS = 20
EVERY_S = 0.25
"""Between two submissions."""

SETTLED_S = 90.0
WASTE = 0.02
"""Of the calls of the model, the part that may be paid in vain."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: how long after the one before it, what, at which worker, for how long."""

    after_s: float
    kind: str
    worker: int
    for_s: float

    def __str__(self) -> str:
        return f"+{self.after_s:.2f} s {self.kind} worker {self.worker} for {self.for_s:.2f} s"


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the seed decides."""

    faults: tuple[Fault, ...]
    plans: tuple[Plan, ...]


KINDS = ("kill", "kill", "kill", "kill", "stop", "stop", "term", "router", "keeper", NATS, POSTGRES, S3, "wipe")


def script(seed: int, faults: int = FAULTS) -> Script:
    """Drawn whole before the run, so that timing has no say in it."""
    draw = random.Random(seed)  # noqa: S311  # must be repeatable
    drawn = tuple(
        Fault(
            after_s=round(draw.uniform(0.1, 2.5), 2),
            kind=draw.choice(KINDS),
            worker=draw.randrange(WORKERS),
            for_s=round(draw.uniform(0.1, 2 * LEASE_S), 2),
        )
        for _ in range(faults)
    )
    length = sum(fault.after_s for fault in drawn) + sum(fault.for_s for fault in drawn if fault.kind not in _QUICK)
    return Script(faults=drawn, plans=tuple(_plan(draw) for _ in range(int(length / EVERY_S))))


_QUICK = ("kill", "router", "keeper")


def _plan(draw: random.Random) -> Plan:
    kind = draw.random()
    if kind < 0.1:
        return Plan(do={"left": Do(rejects=True, model_s=0.1)})
    if kind < 0.2:
        return Plan(do={draw.choice(list(TOPOLOGY.stages)): Do(raises=1, fault="transient")})
    return Plan(model_s=round(draw.uniform(0, 0.4), 2))


async def soak(place: World, seed: int, faults: int = FAULTS) -> Seen:
    """Run the seed's script."""
    drawn = script(seed, faults)
    await place.staff(WORKERS)
    began = len(place.calls())
    making = asyncio.create_task(_submit(place, drawn.plans))
    try:
        for fault in drawn.faults:
            await asyncio.sleep(fault.after_s)
            await _do(place, fault)
        workflows = await making
    finally:  # it must not submit into the case after this one
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
    took = await place.ended(workflows, SETTLED_S)
    # Killed routers and lost answers are paid again; `WASTE` holds their number down.
    most = dict.fromkeys(TOPOLOGY.stages, (1, 1 + sum(fault.kind in _PAID for fault in drawn.faults)))
    wrong = await check(place, dict.fromkeys(workflows, Expected(calls=most)))
    rows = await place.fetch("SELECT count(*) AS n FROM ledger WHERE workflow_id = ANY($1)", workflows)
    calls = len(place.calls()) - began
    if calls > (1 + WASTE) * rows[0]["n"]:
        wrong.append(f"{calls} calls for {rows[0]['n']} answers: more than {WASTE:.0%} were wasted")
    note = f"seed {seed}: {len(workflows)} workflows, {len(drawn.faults)} faults, settled {took:.1f} s after the last, "
    note += f"{calls} calls for {rows[0]['n']} answers"
    return Seen(wrong=[f"seed {seed}: {sentence}" for sentence in wrong], note=note)


_PAID = ("router", NATS, POSTGRES, "wipe")


async def _submit(place: World, plans: tuple[Plan, ...]) -> list[str]:
    """As a client does it: what was refused is sent again."""
    found = []
    for plan in plans:
        until = time.monotonic() + 60
        while True:
            try:
                found.append(await place.submit(plan))
                break
            except Exception:  # PostgreSQL is away: no answer, so the client has to come again
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)
        await asyncio.sleep(EVERY_S)
    return found


async def _do(place: World, fault: Fault) -> None:
    worker = place.workers[fault.worker]
    match fault.kind:
        case "kill":
            worker.send(signal.SIGKILL)
        case "term":
            worker.send(signal.SIGTERM)
            await asyncio.sleep(fault.for_s)
        case "stop":
            worker.send(signal.SIGSTOP)
            await asyncio.sleep(fault.for_s)
            worker.send(signal.SIGCONT)
        case "router" if place.router is not None:
            place.router.send(signal.SIGKILL)
        case "keeper" if place.keeper is not None:
            place.keeper.send(signal.SIGKILL)
        case "wipe":
            await place.outage(NATS, fault.for_s, wipe=True)
        case server:
            await place.outage(server, fault.for_s)


def cases(seeds: tuple[int, ...] = (1, 2)) -> list[Case]:
    """Row F28."""
    return [Case(row="F28", name=f"seed {seed}", run=partial(soak, seed=seed)) for seed in seeds]


async def _main(seed: int, faults: int) -> int:
    drawn = script(seed, faults)
    for fault in drawn.faults:
        print(f"seed {seed}: {fault}", flush=True)  # noqa: T201  # a program's own output
    with own_folder("soak") as folder:
        async with world(folder) as place:
            seen = await soak(place, seed, faults)
    for sentence in (*seen.wrong, seen.note):
        print(sentence, flush=True)  # noqa: T201
    print("RED" if seen.wrong else "ok")  # noqa: T201
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments.add_argument("--faults", type=int, default=FAULTS)
    chosen = arguments.parse_args()
    sys.exit(asyncio.run(_main(chosen.seed, chosen.faults)))
