"""DBOS: a workflow of twelve steps, called directly (no queue), many at once in a process. Runs in DBOS's venv."""

from __future__ import annotations

import json
import sys
from typing import Any

import uvloop
from dbos import DBOS  # type: ignore[import-not-found]  # a peer's, not ours

from tests.bench import loop

STEPS = 12


@DBOS.step()  # type: ignore[untyped-decorator]
async def step(number: int) -> int:
    """Nothing."""
    return number


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def steps() -> int:
    """Twelve checkpoints."""
    for number in range(STEPS):
        await step(number)
    return STEPS


async def one() -> bool:
    """A workflow to its end."""
    return bool(await steps() == STEPS)


async def _main(asked: dict[str, Any]) -> None:
    config = {
        "name": "bench",
        "system_database_url": asked["database"],
        "executor_id": asked["executor"],
        "application_version": "bench",
        "run_admin_server": False,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        await loop.run(one, asked["in_flight"], asked["warm_up"], asked["patience_s"])
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    uvloop.run(_main(json.loads(sys.argv[1])))
