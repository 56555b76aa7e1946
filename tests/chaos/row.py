"""One line of the fault matrix: what was broken, how often, and what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Verdict = Literal["green", "red", "skipped"]
_WIDTH = 110
MARKS = {"green": "ok", "red": "RED", "skipped": "skip"}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`seen`: in a green row what was counted or measured, in a red one every failed check, in a skipped one why."""

    id: str
    fault: str
    cases: int
    verdict: Verdict
    seconds: float
    seen: tuple[str, ...] = ()


def table(rows: Sequence[Row]) -> str:
    """The matrix as people read it: a line a row, and under it what does not fit."""
    head = f"{'id':5} {'fault':44} {'cases':>6} {'verdict':7} {'s':>7}  seen"
    return "\n".join([head, "-" * len(head), *(_line(row) for row in rows)])


def _line(row: Row) -> str:
    first, *more = [part[:_WIDTH] for part in row.seen] or [""]
    line = f"{row.id:5} {row.fault[:44]:44} {row.cases:6} {MARKS[row.verdict]:7} {row.seconds:7.1f}  {first}"
    return "\n".join([line, *(" " * 75 + part for part in more)])
