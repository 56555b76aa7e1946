"""The pipeline of the benchmark: a chain of steps that do nothing but sleep, each with 2 KB of its own to keep."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

import msgspec

from contracts.topology import Stage, Topology
from tests.flow.noop import PADDING
from workers.kit.binding import Binding, bind
from workers.kit.stage import Run


def bindings(topology: Topology, names: list[str], sleep_s: float = 0) -> list[Binding]:
    """The named steps, bound. What they make differs by workflow: nothing is stored once for all of them."""
    return [bind(_step(topology[name], topology, sleep_s), name, topology) for name in names]


def _step(row: Stage, topology: Topology, sleep_s: float) -> Callable[..., object]:
    async def step(run: Run, **inputs: msgspec.Struct) -> msgspec.Struct:
        if sleep_s:
            await asyncio.sleep(sleep_s)
        padding = run.workflow + PADDING[len(run.workflow) :]
        return row.produces(stage=row.name, revision=len(inputs), padding=padding)

    hints: dict[str, type] = {"run": Run, **{need: topology[need].produces for need in row.needs}}
    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in hints]
    step.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect itself reads
    step.__annotations__ = {**hints, "return": row.produces}
    return step
