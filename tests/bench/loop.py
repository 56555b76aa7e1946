"""A closed loop in a process of its own: N workflows in flight, a new one for each that ends, until told to stop.

Standard library only, since each peer runs it in its own environment. It prints `warm` after its warm-up and `rounds`
when two more rounds of all in flight have ended; a line on stdin stops it: it lets the rest end, and prints `result`
with what it saw as JSON. What an engine prints between these lines is none of ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

One = Callable[[], Awaitable[bool]]
"""Runs one workflow; whether it ended as it should."""

ROUNDS = 2


async def run(one: One, in_flight: int, warm_up: int, patience_s: float, ramp_s: float = 0) -> None:
    """The whole life of the loop. An error of `one` ends it. The first ones start spread over `ramp_s`: no wave."""
    samples: list[tuple[float, float]] = []
    unlike, enough = 0, warm_up
    stopping, counted = asyncio.Event(), asyncio.Event()

    async def keep_one(place: int) -> None:
        nonlocal unlike
        await asyncio.sleep(ramp_s * place / in_flight)
        while not stopping.is_set():
            began = time.monotonic()
            unlike += not await one()
            ended = time.monotonic()
            samples.append((ended, ended - began))
            if len(samples) >= enough:
                counted.set()

    tasks = [asyncio.create_task(keep_one(place)) for place in range(in_flight)]
    failing = asyncio.gather(*tasks)
    await _either(counted.wait(), failing)
    _say("warm")
    counted.clear()
    enough = len(samples) + ROUNDS * in_flight
    telling = asyncio.create_task(_tell_rounds(counted))
    await _either(asyncio.to_thread(sys.stdin.readline), failing)
    telling.cancel()
    stopping.set()
    _, late = await asyncio.wait(tasks, timeout=patience_s)
    for task in late:
        task.cancel()
    await asyncio.wait({failing}, timeout=5)
    if failing.done() and not failing.cancelled():
        failing.result()
    _say("result " + json.dumps({"samples": samples, "unlike": unlike, "lost": len(late)}))


async def _tell_rounds(counted: asyncio.Event) -> None:
    await counted.wait()
    _say("rounds")


async def _either(wanted: Awaitable[object], failing: asyncio.Future[list[None]]) -> None:
    waiting: asyncio.Future[object] = asyncio.ensure_future(wanted)
    both: set[asyncio.Future[object]] = {waiting, failing}  # type: ignore[arg-type]  # a Future is invariant
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if failing.done():
        failing.result()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
