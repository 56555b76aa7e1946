"""How long a stage stands still whose worker was killed: random kills under load, seen from PostgreSQL."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from deploy.local.stack import Stack
from tests.bench.place import Place, place

LEASE_S = 3.0
SETTINGS: dict[str, Any] = {"lease_s": LEASE_S, "heartbeat_s": LEASE_S * 10 / 45, "ack_wait_s": LEASE_S * 30 / 45}
"""The defaults' proportions."""

WORKERS = 3
IN_FLIGHT = 30
SLEEP_S = 0.3
GAP_S = (1.0, 3.0)
LOST_S = LEASE_S + 60
LOOK_S = 0.05

RUNNING = "SELECT workflow_id, stage, epoch FROM drops WHERE state = 'running'"
AFTER = """
    SELECT i.workflow_id, i.stage, i.epoch, d.epoch > i.epoch AS again
    FROM unnest($1::text[], $2::text[], $3::int[]) AS i (workflow_id, stage, epoch)
    JOIN drops d ON d.workflow_id = i.workflow_id AND d.stage = i.stage AND d.revision = 1 AND d.unit = ''
    WHERE d.epoch > i.epoch OR d.state <> 'running'
"""

Row = tuple[str, str, int]


@dataclass(slots=True)
class Interrupted:
    """Rows that ran when a worker was killed. Those that are claimed once more were its own."""

    since: dict[Row, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)

    async def look(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """See which of them go on, and which had not been interrupted at all."""
        rows = list(self.since)
        columns = [[row[place] for row in rows] for place in range(3)]
        for record in await connection.fetch(AFTER, *columns):
            began = self.since.pop((record["workflow_id"], record["stage"], record["epoch"]))
            if record["again"]:
                self.took.append(time.monotonic() - began)


async def measure(stack: Stack, kills: int, seed: int = 1) -> tuple[list[float], int]:
    """(seconds until each interrupted stage was claimed again, how many never were)."""
    chance = random.Random(seed)  # noqa: S311  # picks victims
    gaps = [chance.uniform(*GAP_S) for _ in range(kills)]
    async with place(stack, **SETTINGS) as here:
        for _ in range(WORKERS):
            here.start(sleep_s=SLEEP_S)
        await here.started()
        seen = Interrupted()
        driving = asyncio.create_task(here.drive(in_flight=IN_FLIGHT, seconds=sum(gaps)))
        connection = await asyncpg.connect(here.database.admin)
        try:
            for gap in gaps:
                await _watch(seen, connection, time.monotonic() + gap)
                await _kill(here, seen, connection, chance)
            await _watch(seen, connection, time.monotonic() + LOST_S, until_empty=True)
        finally:
            await connection.close()
        done = await driving
        return sorted(seen.took), len(seen.since) + done.lost + done.unlike


async def _kill(
    here: Place, seen: Interrupted, connection: asyncpg.Connection[asyncpg.Record], chance: random.Random
) -> None:
    victim = chance.choice(here.workers)
    victim.kill()
    victim.wait()
    killed = time.monotonic()
    for record in await connection.fetch(RUNNING):
        seen.since.setdefault((record["workflow_id"], record["stage"], record["epoch"]), killed)
    here.workers.remove(victim)
    here.start(sleep_s=SLEEP_S)


async def _watch(
    seen: Interrupted, connection: asyncpg.Connection[asyncpg.Record], until: float, *, until_empty: bool = False
) -> None:
    while time.monotonic() < until and (seen.since or not until_empty):
        await seen.look(connection)
        await asyncio.sleep(LOOK_S)
