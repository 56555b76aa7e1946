"""The rows about the pipeline: throughput, peers, waiting models, the naive protocol, growth, recovery, the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from deploy.local.stack import Stack
from tests.bench import recovery, submissions
from tests.bench.measure import Measured
from tests.bench.peers import compare
from tests.bench.place import STAGES, Place, place
from tests.bench.table import Table

PROCESSES = 2
SLEEP_S = 0.5
WITHIN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long and how far; `FULL` is every row that the bar asks for."""

    seconds: float
    emulated: tuple[int, ...]
    finished: tuple[int, ...]
    kills: int
    submit_s: float
    peers: tuple[str, ...]
    fetch: bool


SHORT = Extent(
    seconds=10,
    emulated=(100, 1000),
    finished=(10_000, 100_000),
    kills=20,
    submit_s=10,
    peers=("restate", "dbos", "celery"),
    fetch=False,
)
FULL = Extent(
    seconds=20,
    emulated=(100, 1000, 5000),
    finished=(10_000, 100_000, 1_000_000),
    kills=20,
    submit_s=60,
    peers=("restate", "dbos", "celery", "prefect"),
    fetch=True,
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


def slots(in_flight: int) -> int:
    """All that is in flight may stand at one step."""
    return max(32, in_flight)


async def throughput(table: Table, stack: Stack, extent: Extent) -> dict[int, Measured]:
    """The chain of twelve no-op steps."""
    results: dict[int, Measured] = {}
    for in_flight in (1, 100, 1000):
        async with place(stack, slots=slots(in_flight)) as here:
            found = results[in_flight] = await run(here, in_flight, extent.seconds)
        goal, met = "p50 < 40 ms", found.p50_ms < 40
        if in_flight > 1:
            goal, met = "< 6 CPU-ms", found.total_ms < 6
        table.add(f"12 no-op steps, {in_flight} in flight", goal, found.told(), met and found.whole)
    return results


async def peers(table: Table, stack: Stack, extent: Extent, ours: dict[int, Measured]) -> None:
    """The same steps elsewhere; the verdict is ours, at 100 and at 1000 in flight."""
    for name in extent.peers:
        peer = await compare.measure(name, stack, tuple(ours), extent.seconds * 0.8, fetch=extent.fetch)
        if peer.reason:
            table.add(f"peer {name}", "slower than ours", f"skipped: {peer.reason}")
        for in_flight, found in peer.results.items():
            met = ours[in_flight].rate > found.rate if in_flight > 1 else None
            table.add(
                f"peer {name}, {in_flight} in flight", "slower than ours" if in_flight > 1 else "-", found.told(), met
            )


async def emulated(table: Table, stack: Stack, extent: Extent) -> None:
    """Every step waits like a model's caller does."""
    goals = {100: 6150.0, 1000: 6600.0}
    for in_flight in extent.emulated:
        async with place(stack, slots=slots(in_flight)) as here:
            found = await run(here, in_flight, max(12.0, extent.seconds), sleep_s=SLEEP_S)
        each = (found.busy_mib - found.idle_mib) * 1024 / in_flight
        goal = f"p50 <= {goals[in_flight] / 1000:.2f} s" if in_flight in goals else "all complete"
        met = found.whole and found.p50_ms <= goals.get(in_flight, float("inf"))
        measured = f"{found.told()}; {each:.0f} KiB of the workers each"
        table.add(f"12 steps of 0.5 s (ideal 6.0), {in_flight} in flight", goal, measured, met)


async def naive(table: Table, stack: Stack, extent: Extent, confirmed: Measured) -> None:
    """What the guarantees cost: the same servers and artifacts without claim, outbox and confirmation."""
    async with place(stack, slots=slots(100)) as here:
        here.module = "tests.bench.naive"
        found = await run(here, 100, extent.seconds)
    more = confirmed.total_ms / found.total_ms - 1
    table.add(
        "naive protocol, 100 in flight",
        "stated",
        f"{found.told()}; the confirmed one takes {more:+.0%} CPU and has {confirmed.rate / found.rate - 1:+.0%} rate",
    )


async def processes(table: Table, stack: Stack, extent: Extent) -> None:
    """One, four, sixteen worker processes."""
    rates: dict[int, Measured] = {}
    for workers in (1, 4, 16):
        async with place(stack, slots=slots(100)) as here:
            rates[workers] = await run(here, 100, extent.seconds * 0.8, workers)
    _compared(table, "worker processes, 100 in flight", rates)


async def finished(table: Table, stack: Stack, extent: Extent) -> None:
    """Tables that have grown."""
    rates: dict[int, Measured] = {}
    for count in extent.finished:
        async with place(stack, finished=count, slots=slots(100)) as here:
            rates[count] = await run(here, 100, extent.seconds * 0.8)
    _compared(table, "finished workflows in the tables, 100 in flight", rates)


def _compared(table: Table, what: str, results: dict[int, Measured]) -> None:
    first = next(iter(results.values()))
    told = "; ".join(f"{count:,}: {one.rate:.1f}/s, {one.total_ms:.1f} CPU-ms" for count, one in results.items())
    met = all(one.whole and abs(one.rate / first.rate - 1) <= WITHIN for one in results.values())
    table.add(what, "within 20 %", told, met)


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
    told = f"{load.accepted_per_s:.0f}/s accepted, p50 {half:.0f} ms, p95 {p95:.0f} ms, {found.cpu_ms:.1f} CPU-ms"
    met = p95 < 100 and len(load.ids) == wanted
    table.add(f"gateway, 500 submissions/s for {extent.submit_s:.0f} s", "p95 < 100 ms, none refused", told, met)
    told = f"{found.completed:,} completed in {found.drained_s:.0f} s; gateway {found.gateway}; workers {found.workers}"
    table.add(f"{wanted:,} queued, then drained", "none lost, memory flat", told, found.completed == len(load.ids))


ROWS: Mapping[str, Callable[[Table, Stack, Extent], Awaitable[None]]] = {
    "emulated": emulated,
    "processes": processes,
    "finished": finished,
    "recovery": recovered,
    "gateway": queued,
}
PARTS = ("throughput", "peers", "naive", *ROWS)
