"""The peers' rows of the table: installed, started, measured by the same closed loop as ours."""

from __future__ import annotations

import asyncio
import shutil

from deploy.local.stack import Stack
from tests.bench.measure import Measured, measured
from tests.bench.peers.engines import ENGINES
from tests.bench.peers.environments import Unavailable, environment, install

PATIENCE_S = 120.0
LEAST_WARM = 20
WARM_S = 120.0
SLOW = 20.0
"""Workflows per second at 100 in flight under which a round of 1000 in flight is not waited for."""


class Peer:
    """One peer's results by in-flight count; `reason` where there are none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.results: dict[int, Measured] = {}
        self.reason = ""


async def measure(name: str, stack: Stack, in_flight: tuple[int, ...], seconds: float, *, fetch: bool) -> Peer:
    """Run the peer's loops; without `fetch` only if an earlier run has installed it."""
    peer, env = Peer(name), environment(name)
    folder = stack.data.parent / f"peer-{name}"
    try:
        if not env.complete and not fetch:
            raise Unavailable("not installed yet: make bench-full does it")
        await asyncio.to_thread(install, env)
        folder.mkdir()
        async with ENGINES[name](env, folder, stack) as engine:
            for count in in_flight:
                if count > 100 and (at_100 := peer.results.get(100)) and at_100.rate < SLOW:
                    continue
                commands = engine.commands(count, max(LEAST_WARM, count), PATIENCE_S)
                peer.results[count] = await measured(
                    commands, seconds=seconds, warm_s=WARM_S, environment=engine.environment
                )
    except (Unavailable, RuntimeError, TimeoutError) as error:
        peer.reason = str(error) or "its warm-up took too long"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return peer
