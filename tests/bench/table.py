"""Rows of one Markdown table, printed as they are measured."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows of (what, goal, measured)."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, what: str, goal: str, measured: str) -> None:
        """A row; shown at once on stderr."""
        self.rows.append((what, goal, measured))
        sys.stderr.write(f"{what}: {measured}\n")

    def __str__(self) -> str:
        head = ["| what | goal | measured |", "|---|---|---|"]
        return "\n".join([*head, *(f"| {what} | {goal} | {measured} |" for what, goal, measured in self.rows)]) + "\n"


def machine() -> str:
    """What it was measured on, in a sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
