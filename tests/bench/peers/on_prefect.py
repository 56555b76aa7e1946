"""Prefect: a flow of twelve tasks whose states the server keeps, many at once in a process. In Prefect's venv."""

from __future__ import annotations

import json
import sys
from typing import Any

import uvloop
from prefect import flow, task  # type: ignore[import-not-found]  # a peer's, not ours

from tests.bench import loop

STEPS = 12


@task(persist_result=True)  # type: ignore[untyped-decorator]
async def step(number: int) -> int:
    """Nothing."""
    return number


@flow(persist_result=True)  # type: ignore[untyped-decorator]
async def steps() -> int:
    """Twelve checkpoints."""
    for number in range(STEPS):
        await step(number)
    return STEPS


async def one() -> bool:
    """A flow to its end."""
    return bool(await steps() == STEPS)


async def _main(asked: dict[str, Any]) -> None:
    await loop.run(one, asked["in_flight"], asked["warm_up"], asked["patience_s"])


if __name__ == "__main__":
    uvloop.run(_main(json.loads(sys.argv[1])))
