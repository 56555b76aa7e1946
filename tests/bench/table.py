"""Rows of one Markdown table, printed as they are measured."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows of (what, goal, measured, verdict)."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    last: float = field(default_factory=time.monotonic)

    def add(self, what: str, goal: str, measured: str, met: bool | None = None) -> None:
        """A row; shown at once on stderr, with the seconds since the one before.

        `met` says whether the goal is, None where there is none to judge.
        """
        verdict = {True: "met", False: "NOT MET", None: ""}[met]
        self.rows.append((what, goal, measured, verdict))
        took, self.last = time.monotonic() - self.last, time.monotonic()
        sys.stderr.write(f"[{took:.0f} s] {what}: {measured} {verdict}\n")

    @property
    def unmet(self) -> list[str]:
        """The rows whose goal was missed. One that was skipped has no verdict."""
        return [what for what, _, _, verdict in self.rows if verdict == "NOT MET"]

    def __str__(self) -> str:
        head = ["| what | goal | measured | verdict |", "|---|---|---|---|"]
        return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in self.rows)]) + "\n"


def machine() -> str:
    """What it was measured on, in a sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}; "
        f"load average at the end {load}"
    )
