"""Workflows that wait for models: the product's 14 steps; those that ask a model in the product ask one here.

It takes half a second. In the row that the goals are about it is emulated in the router's process, as a step that
sleeps is: litellm and an HTTP server on the same two cores cost more than all else. They have rows of their own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack
from tests.bench import asking
from tests.bench.pipelines import room, told
from tests.bench.place import Place, place
from tests.bench.routers import emulating, provided
from tests.bench.table import Table
from tests.flow.noop import topology_of

CALL_S = 0.5
GOALS = {100: 1.1, 1000: 1.3}
MORE_S = 8.0
"""So long a window is drawn out at most: where two rounds take minutes the row says that they did not end."""


@dataclass(slots=True)
class Asked:
    """The questions that reached a model."""

    questions: list[str]

    @property
    def twice(self) -> int:
        """Calls for a question that was asked before."""
        return len(self.questions) - len(set(self.questions))


async def measure(table: Table, stack: Stack, what: str, in_flight: int, routers: int, seconds: float) -> None:
    """One row; `what` is one of `WAYS`."""
    ideal = asking.calls_in_line(topology_of(asking.STAGES)) * CALL_S
    settings = room(in_flight)
    asked = Asked([])
    async with place(stack, stages=asking.STAGES, **settings) as here:
        here.module = "tests.bench.asking"
        answers = here.folder / "answers.json"
        answers.write_text(json.dumps(asking.answers()))
        async with WAYS[what](here, answers, routers, asked):
            here.start()
            await here.started()
            found = await here.drive(in_flight=in_flight, seconds=seconds, ramp_s=ideal, least_warm=2, rounds_s=MORE_S)
    share = found.p50_ms / 1000 / ideal
    goal = GOALS.get(in_flight)
    met = None if goal is None else share <= goal and found.whole and not asked.twice
    row = (
        f"14 steps, {len(asking.ASKING)} of them ask a model that takes {CALL_S} s (ideal {ideal:.1f} s), {what}, "
        f"{in_flight} in flight, {routers} router process{'es' if routers > 1 else ''}{told(settings)}"
    )
    measured = f"{share:.2f} x ideal; {found.told()}; "
    measured += f"{asked.twice} of {len(asked.questions):,} calls for a question asked before"
    table.add(row, f"<= {goal} x ideal" if goal else "stated", measured, met)


@asynccontextmanager
async def _emulated(here: Place, answers: Path, routers: int, asked: Asked) -> AsyncIterator[None]:
    async with emulating(here, answers, CALL_S, routers) as file:
        yield
    asked.questions = file.read_text().split()


@asynccontextmanager
async def _through_litellm(here: Place, answers: Path, routers: int, asked: Asked) -> AsyncIterator[None]:
    async with provided(here, "--answers", str(answers), "--first-s", str(CALL_S), routers=routers) as provider:
        yield
        asked.questions = [call.question for call in await provider.calls()]


EMULATED, LITELLM = "emulated in the router's process", "reached through litellm and HTTP"
WAYS: dict[str, Callable[[Place, Path, int, Asked], Any]] = {EMULATED: _emulated, LITELLM: _through_litellm}
