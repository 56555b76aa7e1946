"""A case: one fault, once, in a world of real processes, and what was seen of it. The rows are made of them."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.chaos.row import Row, Verdict
from tests.chaos.world import World, world

LIMIT_S = 240.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """`wrong` is empty where all was well; `note` is worth telling; `skipped` says why it was not tried."""

    wrong: Sequence[str] = ()
    note: str = ""
    skipped: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`alone`: it measures, or breaks what others need, so nothing runs beside it. It is red after `limit_s`."""

    row: str
    name: str
    run: Callable[[World], Awaitable[Seen]]
    alone: bool = False
    limit_s: float = LIMIT_S


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a case."""

    case: Case
    seen: Seen
    seconds: float


async def tried(case: Case, place: World) -> Result:
    """Run the case; what it raises is red, and the world is put in order for the next one."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(case.limit_s):
            seen = await case.run(place)
    except Exception as error:  # noqa: BLE001  # a case that can't be finished is red, and the others go on
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        seen = Seen(wrong=(f"{type(error).__name__} at {where}: {str(error)[:200]}",))
    if seen.wrong:
        sys.stderr.write("\n".join((f"{case.row} {case.name}:", *place.told_of_itself(), "")))
        await place.mend()
    return Result(case=case, seen=seen, seconds=time.monotonic() - began)


async def lane(cases: asyncio.Queue[Case], folder: Path, done: Callable[[Result], None]) -> None:
    """A world that takes cases from the queue until it is empty."""
    async with world(folder) as place:
        while not cases.empty():
            done(await tried(cases.get_nowait(), place))


async def lanes(cases: Iterable[Case], folder: Path, count: int, done: Callable[[Result], None]) -> None:
    """Run the cases in `count` worlds side by side; those that want to be alone afterwards, in one."""
    chosen = list(cases)
    for group, width in ([c for c in chosen if not c.alone], count), ([c for c in chosen if c.alone], 1):
        queue: asyncio.Queue[Case] = asyncio.Queue()
        for case in group:
            queue.put_nowait(case)
        if group:
            await asyncio.gather(*(lane(queue, folder / f"{width}-{number}", done) for number in range(width)))


def rows(results: Sequence[Result], faults: Mapping[str, str]) -> list[Row]:
    """A row for each fault that was tried, in the order of `faults`."""
    by_row = {name: [result for result in results if result.case.row == name] for name in faults}
    return [_row(name, faults[name], found) for name, found in by_row.items() if found]


def _row(name: str, fault: str, found: Sequence[Result]) -> Row:
    wrong = [f"{r.case.name}: {sentence}" for r in found for sentence in r.seen.wrong]
    skipped = [f"{r.case.name}: {r.seen.skipped}" for r in found if r.seen.skipped]
    notes = [f"{r.case.name}: {r.seen.note}" for r in found if r.seen.note]
    verdict: Verdict = "red" if wrong else "skipped" if len(skipped) == len(found) else "green"
    return Row(
        id=name,
        fault=fault,
        cases=len(found) - len(skipped),
        verdict=verdict,
        seconds=sum(result.seconds for result in found),
        seen=(*wrong, *skipped, *notes),
    )
