"""The rows about the pipeline: throughput, peers, waiting models, the naive protocol, growth, recovery, the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.stack import Stack
from tests.bench import recovery, submissions
from tests.bench.measure import Measured
from tests.bench.peers import compare
from tests.bench.place import STAGES, Place, place
from tests.bench.table import Table
from workers.kit.settings import Settings

PROCESSES = 1
WAITING_PROCESSES = 1
DEFAULTS = Settings()
SLEEP_S = 0.5
CPU_MS = 6
CPU = f"< {CPU_MS} CPU-ms"
WITHIN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long and how far; `FULL` is every row that the bar asks for."""

    seconds: float
    emulated: tuple[int, ...]
    finished: tuple[int, ...]
    kills: int
    submit_s: float
    peers: Mapping[str, tuple[int, ...]]
    peers_s: float
    install_s: float


SHORT = Extent(
    seconds=8,
    emulated=(100, 1000),
    finished=(10_000, 100_000),
    kills=20,
    submit_s=10,
    peers={"restate": (100, 1000), "dbos": (100,), "celery": (100,)},
    peers_s=6,
    install_s=90,
)
FULL = Extent(
    seconds=20,
    emulated=(100, 1000, 5000),
    finished=(10_000, 100_000, 1_000_000),
    kills=20,
    submit_s=60,
    peers=dict.fromkeys(("restate", "dbos", "celery", "prefect"), (1, 100, 1000)),
    peers_s=16,
    install_s=600,
)


async def measure(table: Table, stack: Stack, extent: Extent, only: set[str]) -> None:
    """All of them, on one stack; `only` names some of `PARTS`."""
    wanted = only & set(PARTS) or (set() if only else set(PARTS))
    ours: dict[int, Measured] = {}
    if wanted & {"throughput", "peers", "naive"}:
        ours = await throughput(table, stack, extent)
    if "peers" in wanted:
        await peers(table, stack, extent, ours)
    if "naive" in wanted:
        await naive(table, stack, extent, ours[100])
    for name in PARTS:
        if name in wanted and name in ROWS:
            await ROWS[name](table, stack, extent)


async def run(here: Place, in_flight: int, seconds: float, workers: int = PROCESSES, sleep_s: float = 0) -> Measured:
    """Start workers of all steps, and measure."""
    for _ in range(workers):
        here.start(sleep_s=sleep_s)
    await here.started()
    return await here.drive(in_flight=in_flight, seconds=seconds, ramp_s=STAGES * sleep_s)


def room(in_flight: int) -> dict[str, Any]:
    """All that is in flight may stand at one step, and be on the bus."""
    wanted = {
        "slots": max(DEFAULTS.slots, in_flight),
        "tenant_active": max(DEFAULTS.tenant_active, 2 * in_flight if in_flight >= DEFAULTS.tenant_active else 0),
    }
    return {name: value for name, value in wanted.items() if value != getattr(DEFAULTS, name)}


def told(settings: Mapping[str, Any]) -> str:
    """What is not as by default, for a row's name."""
    return " (" + ", ".join(f"{name} {value:,}" for name, value in settings.items()) + ")" if settings else ""


async def throughput(table: Table, stack: Stack, extent: Extent) -> dict[int, Measured]:
    """The chain of twelve no-op steps."""
    results: dict[int, Measured] = {}
    for in_flight in (1, 100, 1000):
        async with place(stack, **room(in_flight)) as here:
            found = results[in_flight] = await run(here, in_flight, extent.seconds)
        goal, met = "p50 < 40 ms", found.p50_ms < 40
        if in_flight > 1:
            goal, met = CPU, found.total_ms < CPU_MS
        what = f"12 no-op steps, {in_flight} in flight{told(room(in_flight))}"
        table.add(what, goal, found.told(), met and found.whole)
    async with place(stack) as here:
        found = await run(here, 100, extent.seconds)
    what = f"12 no-op steps, 100 in flight, all settings as by default (slots {DEFAULTS.slots})"
    table.add(what, CPU, found.told(), found.total_ms < CPU_MS and found.whole)
    return results


async def peers(table: Table, stack: Stack, extent: Extent, ours: dict[int, Measured]) -> None:
    """The same steps elsewhere; the verdict is ours, at 100 and at 1000 in flight."""
    for name, in_flight in extent.peers.items():
        peer = await compare.measure(name, stack, in_flight, extent.peers_s, extent.install_s)
        for many, found in peer.results.items():
            met = ours[many].rate > found.rate if many > 1 and found.ended else None
            table.add(f"peer {name}, {many} in flight", "slower than ours" if many > 1 else "-", found.told(), met)
        for many, reason in peer.skipped.items():
            table.add(f"peer {name}, {many} in flight", "slower than ours", f"not measured: {reason}")


async def emulated(table: Table, stack: Stack, extent: Extent) -> None:
    """Every step waits like a model's caller does."""
    goals = {100: 6150.0, 1000: 6600.0}
    for in_flight in extent.emulated:
        async with place(stack, **room(in_flight)) as here:
            found = await run(here, in_flight, extent.seconds, WAITING_PROCESSES, sleep_s=SLEEP_S)
        each = (found.busy_mib - found.idle_mib) * 1024 / in_flight
        goal = f"p50 <= {goals[in_flight] / 1000:.2f} s" if in_flight in goals else "all complete"
        met = found.whole and found.p50_ms <= goals.get(in_flight, float("inf"))
        measured = f"{found.told()}; {each:.0f} KiB of the workers each"
        what = f"12 steps of 0.5 s (ideal 6.0), {in_flight} in flight, {WAITING_PROCESSES} worker process"
        table.add(what + told(room(in_flight)), goal, measured, met)


async def naive(table: Table, stack: Stack, extent: Extent, confirmed: Measured) -> None:
    """What the guarantees cost: the same servers and artifacts without claim, outbox and confirmation."""
    async with place(stack, **room(100)) as here:
        here.module = "tests.bench.naive"
        found = await run(here, 100, extent.seconds)
    more = confirmed.total_ms / found.total_ms - 1
    table.add(
        f"naive protocol, 100 in flight{told(room(100))}",
        "stated",
        f"{found.told()}; the confirmed one takes {more:+.0%} CPU and has {confirmed.rate / found.rate - 1:+.0%} rate",
    )


async def processes(table: Table, stack: Stack, extent: Extent) -> None:
    """One, four, sixteen worker processes. One is the fastest on few cores: more of them share the batches out."""
    rates: dict[int, Measured] = {}
    for workers in (1, 4, 16):
        async with place(stack, **room(100)) as here:
            rates[workers] = await run(here, 100, extent.seconds * 0.8, workers)
    met = all(one.whole and one.rate >= rates[1].rate * (1 - WITHIN) for one in rates.values())
    what = f"worker processes, 100 in flight{told(room(100))}"
    table.add(what, "more are not over 20 % slower than one", _compared(rates), met)


async def finished(table: Table, stack: Stack, extent: Extent) -> None:
    """Tables that have grown."""
    rates: dict[int, Measured] = {}
    for count in extent.finished:
        async with place(stack, finished=count, **room(100)) as here:
            rates[count] = await run(here, 100, extent.seconds * 0.8)
    first = rates[extent.finished[0]]
    met = all(one.whole and abs(one.rate / first.rate - 1) <= WITHIN for one in rates.values())
    what = f"finished workflows in the tables, 100 in flight{told(room(100))}"
    table.add(what, "within 20 %", _compared(rates), met)


def _compared(results: dict[int, Measured]) -> str:
    return "; ".join(f"{count:,}: {one.rate:.1f}/s, {one.total_ms:.1f} CPU-ms" for count, one in results.items())


async def recovered(table: Table, stack: Stack, extent: Extent) -> None:
    """Kills of a worker."""
    took, lost = await recovery.measure(stack, extent.kills)
    bound = recovery.LEASE_S + 5
    what = f"kill -9 of a worker, {extent.kills} times, lease {recovery.LEASE_S:.0f} s"
    goal = f"p99 <= {bound:.0f} s, none lost"
    if not took:
        table.add(what, goal, "nothing was interrupted", False)
        return
    half, p99 = (took[min(len(took) - 1, int(len(took) * share))] for share in (0.5, 0.99))
    measured = f"{len(took)} stages interrupted: p50 {half:.2f} s, p99 {p99:.2f} s, most {took[-1]:.2f} s; {lost} lost"
    table.add(what, goal, measured, p99 <= bound and not lost)


async def queued(table: Table, stack: Stack, extent: Extent) -> None:
    """500 submissions a second, and the queue they make."""
    found = await submissions.measure(stack, rate=500, seconds=extent.submit_s)
    load = found.load
    p95, wanted = load.percentile_ms(0.95), round(500 * extent.submit_s)
    half = load.percentile_ms(0.5)
    answered = f"{load.accepted_per_s:.0f}/s accepted, p50 {half:.0f} ms, p95 {p95:.0f} ms, {found.cpu_ms:.1f} CPU-ms"
    others = {status: count for status, count in load.statuses.items() if status != 202}
    answered += f"; {len(load.ids):,} of {wanted:,} accepted, other answers {others or 'none'} (0: connection lost)"
    met = p95 < 100 and len(load.ids) == wanted
    what = f"gateway, 500 submissions/s for {extent.submit_s:.0f} s, no worker runs (tenant_active {wanted:,})"
    table.add(what, "p95 < 100 ms, none refused", answered, met)
    settings = told({"slots": submissions.SLOTS, "tenant_active": wanted})
    what = f"the {len(load.ids):,} queued by that, then drained by {submissions.WORKERS} worker processes{settings}"
    goal = f"none lost, no process grows by {submissions.GROWN_MIB} MiB"
    drained = f"{found.completed:,} completed in {found.drained_s:.0f} s; {found.gateway}; {found.workers}"
    memory = "flat" if found.flat else "NOT flat"
    table.add(what, goal, f"{drained}: {memory}", found.flat and found.completed == len(load.ids))


ROWS: Mapping[str, Callable[[Table, Stack, Extent], Awaitable[None]]] = {
    "emulated": emulated,
    "processes": processes,
    "finished": finished,
    "recovery": recovered,
    "gateway": queued,
}
PARTS = ("throughput", "peers", "naive", *ROWS)
