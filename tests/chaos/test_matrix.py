"""A part of the fault matrix that is quick enough for every commit; `make chaos` has the whole.

The cases run side by side in a few factories, beginning with the first test.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import NATS, POSTGRES, S3
from tests.chaos import crashes, joins, messages, outages, processes, stages
from tests.chaos.case import Case, Result, lanes, rows
from tests.chaos.graph import TOPOLOGY
from tests.chaos.matrix import pytested
from workers.kit.crash import POINTS

LANES = 3
OUTAGE_S = 1.0


def _chosen() -> list[Case]:
    """Each point of the protocol at one of the stages, and one or two of most other rows."""
    names = list(TOPOLOGY.stages)
    found = [
        Case(row="F1", name=f"{stage}:{point}", run=partial(crashes.crashed, stage=stage, point=point))
        for stage, point in ((names[place % len(names)], point) for place, point in enumerate(POINTS))
    ]
    found += [
        Case(row="F2", name=server, run=partial(outages.killed, server=server, at_s=0.15, outage_s=OUTAGE_S))
        for server in (NATS, POSTGRES, S3)
    ]
    return [
        *found,
        Case(row="F1", name="handed over", run=crashes.handed_over),
        Case(row="F3", name="midway", run=partial(outages.wiped_midway, at_s=0.1)),
        Case(row="F3", name="before the first claim", run=outages.wiped_before_claim),
        Case(row="F5", name="a flipped bit", run=partial(stages.damaged, how="flipped")),
        Case(row="F6", name="left", run=partial(processes.stopped, stage="left", after_s=0.1)),
        Case(row="F11", name="ten times", run=messages.duplicates),
        Case(row="F13", name="malformed", run=messages.malformed),
        Case(row="F15", name="a bug", run=stages.poisoned),
        Case(row="F16", name="300 races", run=partial(joins.raced, races=300)),
        Case(row="F22", name="while the model is asked", run=crashes.cancelled_running),
        Case(row="F23", name="wakes at once", run=processes.same_message),
    ]


CASES = {f"{case.row} {case.name}": case for case in _chosen()}


class Verdicts:
    """What became of each case, as soon as it is known."""

    def __init__(self, names: list[str]) -> None:
        loop = asyncio.get_running_loop()
        self._known: Mapping[str, asyncio.Future[Result]] = {name: loop.create_future() for name in names}
        self.running: asyncio.Task[None] | None = None

    def done(self, result: Result) -> None:
        self._known[f"{result.case.row} {result.case.name}"].set_result(result)

    async def of(self, name: str) -> Result:
        assert self.running is not None
        either: list[asyncio.Future[Any]] = [self._known[name], self.running]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._known[name].done():
            await self.running
        return self._known[name].result()


@pytest.fixture(scope="module")
async def verdicts(request: pytest.FixtureRequest, reachable: Path) -> AsyncIterator[Verdicts]:
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if hasattr(item, "callspec") and item.path == request.path
    }
    names = [name for name in CASES if name in asked]
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # its pool tells of every outage
    known = Verdicts(names)
    cases = [CASES[name] for name in names]
    known.running = asyncio.create_task(lanes(cases, reachable / "chaos", min(LANES, len(cases)), known.done))
    yield known
    await known.running


async def test_a_row_of_pytest_that_left_a_test_out_is_not_green(tmp_path: Path) -> None:
    file = tmp_path / "test_row.py"
    file.write_text("import pytest\n\ndef test_one(): pass\n\ndef test_other(): pytest.skip('no sandbox')\n")
    seen = await pytested([str(file)])
    (row,) = rows([Result(case=Case(row="F27", name="", run=crashes.handed_over), seen=seen, seconds=0)], {"F27": ""})
    assert row.verdict == "skipped", row


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", list(CASES))
async def test_fault(name: str, verdicts: Verdicts) -> None:
    seen = (await verdicts.of(name)).seen
    assert not seen.wrong, "\n".join(seen.wrong)
