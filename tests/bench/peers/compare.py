"""The peers' rows of the table: installed, started, measured by the same closed loop as ours."""

from __future__ import annotations

import asyncio
import shutil
import time

import msgspec

from deploy.local.stack import Stack
from tests.bench.measure import Measured, measured
from tests.bench.peers.engines import ENGINES
from tests.bench.peers.environments import Unavailable, environment, install

PATIENCE_S = 120.0
LEAST_WARM = 20
WARM_S = 60.0
SLOW = 20.0
"""Workflows per second at 100 in flight under which a round of 1000 in flight is not waited for."""


class Peer:
    """One peer's results by in-flight count; why there is none of the others."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.results: dict[int, Measured] = {}
        self.skipped: dict[int, str] = {}


async def measure(name: str, stack: Stack, in_flight: tuple[int, ...], seconds: float, install_s: float) -> Peer:
    """Install the peer if no earlier run has, within `install_s`, and run its loops."""
    peer, env = Peer(name), environment(name)
    folder = stack.data.parent / f"peer-{name}"
    try:
        await asyncio.to_thread(install, env, time.monotonic() + install_s)
        folder.mkdir()
        async with ENGINES[name](env, folder, stack) as engine:
            for count in in_flight:
                if count > 100 and (at_100 := peer.results.get(100)) and at_100.rate < SLOW:
                    peer.skipped[count] = f"at {at_100.rate:.1f}/s a round would take too long"
                    continue
                commands = engine.commands(count, max(LEAST_WARM, count), PATIENCE_S)
                peer.results[count] = await measured(
                    commands,
                    seconds=seconds,
                    warm_s=WARM_S,
                    rounds_s=seconds,
                    environment=engine.environment,
                    kinds=engine.kinds,
                )
    except (Unavailable, RuntimeError, TimeoutError, msgspec.MsgspecError) as error:
        reason = str(error) or "its warm-up took too long"
        peer.skipped |= {count: reason for count in in_flight if count not in peer.results}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return peer
