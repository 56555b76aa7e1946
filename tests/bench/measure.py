"""Runs closed loops (`loop`): what they saw in a stretch of time, and what it cost in CPU, process by process."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import msgspec

from deploy.local.paths import tool
from tests.bench.usage import cpu_by_kind, resident

WARM_S = 180.0
ROUNDS_S = 60.0
"""So long at most a window is drawn out to hold two rounds of all that is in flight; less makes a rate unsure."""

STOP_S = 180.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a loop prints: (when it ended, how long it took) of each workflow."""

    samples: list[tuple[float, float]]
    unlike: int
    lost: int


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen between the warm-up and the end of the time; `lost` never ended, `unlike` ended otherwise."""

    ended: int
    seconds: float
    p50_ms: float
    p95_ms: float
    rounds: bool
    cpu_ms: dict[str, float]
    idle_mib: float
    busy_mib: float
    lost: int
    unlike: int

    @property
    def rate(self) -> float:
        """Workflows per second."""
        return self.ended / self.seconds

    @property
    def total_ms(self) -> float:
        """CPU milliseconds of one workflow, over all processes."""
        return sum(self.cpu_ms.values())

    @property
    def whole(self) -> bool:
        """Every workflow ended, and as it should."""
        return not self.lost and not self.unlike

    def told(self) -> str:
        """In a table's cell."""
        if not self.ended:
            return f"none ended in {self.seconds:.0f} s"
        faults = "" if self.whole else f"; {self.lost} LOST, {self.unlike} NOT COMPLETED"
        if not self.rounds:
            faults += f"; in {self.seconds:.0f} s not two rounds ended"
        return f"{self.rate:.1f}/s, p50 {_time(self.p50_ms)}, p95 {_time(self.p95_ms)}, {self.cost()}{faults}"

    def cost(self) -> str:
        """CPU of one workflow."""
        parts = sorted(((used, kind) for kind, used in self.cpu_ms.items() if used >= 0.005), reverse=True)
        return f"{self.total_ms:.1f} CPU-ms ({', '.join(f'{kind} {used:.2f}' for used, kind in parts)})"


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


async def measured(
    commands: Sequence[Sequence[str]],
    *,
    seconds: float,
    warm_s: float = WARM_S,
    rounds_s: float = ROUNDS_S,
    environment: Mapping[str, str] | None = None,
    kinds: Collection[str] | None = None,
) -> Measured:
    """Start the loops, wait until all are warm, measure, let the rest end.

    The window is `seconds`, or two rounds of all in flight where they take longer.
    `kinds` are the processes whose CPU is counted; all of them when not given.
    """
    idle = resident(os.getpid(), "workers")
    loops = [await _start(command, environment) for command in commands]
    try:
        async with asyncio.timeout(warm_s):
            for loop in loops:
                await _said(loop, b"warm")
        began, before = time.monotonic(), cpu_by_kind(os.getpid())
        await asyncio.sleep(seconds)
        rounds = False
        with suppress(TimeoutError):
            async with asyncio.timeout(rounds_s):
                for loop in loops:
                    await _said(loop, b"rounds")
            rounds = True
        until, after = time.monotonic(), cpu_by_kind(os.getpid())
        busy = resident(os.getpid(), "workers")
        async with asyncio.timeout(STOP_S):
            seen = [msgspec.json.decode(out, type=Seen) for out in await asyncio.gather(*map(_stop, loops))]
    finally:
        for loop in loops:
            if loop.returncode is None:
                loop.kill()
            await loop.wait()
    took = sorted(took for one in seen for ended, took in one.samples if began <= ended <= until)
    return Measured(
        ended=len(took),
        seconds=until - began,
        rounds=rounds,
        p50_ms=statistics.median(took or [float("inf")]) * 1000,
        p95_ms=(took or [float("inf")])[int(len(took) * 0.95)] * 1000,
        cpu_ms=_each(before, after, len(took), after if kinds is None else kinds),
        idle_mib=idle,
        busy_mib=busy,
        lost=sum(one.lost for one in seen),
        unlike=sum(one.unlike for one in seen),
    )


def _each(before: Counter[str], after: Counter[str], count: int, kinds: Collection[str]) -> dict[str, float]:
    return {kind: (after[kind] - before[kind]) * 1000 / max(1, count) for kind in kinds}


def tied(command: Sequence[str]) -> list[str]:
    """The command, ended by the kernel when we end, however that is."""
    return [tool("setpriv", "util-linux"), "--pdeathsig=KILL", "--", *command]


async def _start(command: Sequence[str], environment: Mapping[str, str] | None) -> Process:
    return await asyncio.create_subprocess_exec(
        *tied(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        limit=1 << 26,
    )


async def _said(loop: Process, word: bytes) -> bytes:
    """What follows `word` on the first line that begins with it; an engine may print lines of its own."""
    assert loop.stdout is not None
    while line := await loop.stdout.readline():
        first, _, rest = line.rstrip().partition(b" ")
        if first == word:
            return rest
    raise RuntimeError(f"the loop ended with {await loop.wait()}")


async def _stop(loop: Process) -> bytes:
    assert loop.stdin is not None
    loop.stdin.write(b"stop\n")
    return await _said(loop, b"result")
