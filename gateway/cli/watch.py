"""Shows a workflow's stages as they happen: a live table on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from httpx_sse import ServerSentEvent
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.topology import LIFECYCLE, TOPOLOGY
from gateway.cli import output

MARKS = {"waiting": "·", "running": "…", "completed": "✓", "unmet": "!", "rejected": "↺", "failed": "✗"}
STYLES = {"completed": "green", "unmet": "yellow", "rejected": "yellow", "failed": "red", "running": "cyan"}


@dataclass
class Line:
    """One stage as it stands: seconds of work at its newest revision, and what it last said."""

    state: str = "waiting"
    revision: int = 1
    began: float = 0.0
    seconds: float = 0.0
    note: str = ""


@dataclass
class Board:
    """All stages of one workflow, and how it ended (the data of its terminal event)."""

    lines: dict[str, Line] = field(default_factory=lambda: {name: Line() for name in TOPOLOGY.stages})
    ended: str = ""
    end: dict[str, Any] = field(default_factory=dict)
    submitted: float = 0.0
    finished: float = 0.0

    def take(self, event: ServerSentEvent) -> Line | None:
        """Apply an event; the line that changed for good, if one did."""
        if event.event == "progress":
            self._progress(json.loads(event.data))
            return None
        if not event.event.startswith("dev.quantumlayer."):
            return None
        told = json.loads(event.data)
        stage, outcome = event.event.split(".")[2:4]
        at = datetime.fromisoformat(told["time"]).timestamp()
        if stage == LIFECYCLE:
            self._lifecycle(outcome, told["data"], at)
            return None
        line = self.lines.setdefault(stage, Line())
        if stage == TOPOLOGY.first.name and not line.began:
            line.began = self.submitted  # it may have begun before anybody listened
        return self._outcome(line, outcome, told["data"], at)

    def _progress(self, news: dict[str, Any]) -> None:
        line = self.lines.get(news.get("stage", ""))
        if line is not None and news.get("state") == "started":
            line.state, line.revision, line.began = "running", news.get("revision", 1), time.time()

    def _lifecycle(self, outcome: str, data: dict[str, Any], at: float) -> None:
        if outcome == "submitted":
            self.submitted = at
        elif outcome != "resumed":
            self.ended, self.end, self.finished = outcome, data, at

    def _outcome(self, line: Line, outcome: str, data: dict[str, Any], at: float) -> Line:
        line.state = "unmet" if data.get("unmet") else outcome
        line.revision = data["revision"]
        line.seconds = max(0.0, at - line.began) if line.began else 0.0
        line.note = output.plain(_note(outcome, data))
        return line

    @property
    def seconds(self) -> float:
        """From submission to the end, by the events' own times."""
        return max(0.0, self.finished - self.submitted)

    def table(self) -> Table:
        """The board as it stands now."""
        table = Table.grid(padding=(0, 2))
        for name, line in self.lines.items():
            running = time.time() - line.began if line.state == "running" else line.seconds
            timed = f"{running:6.2f} s" if line.state != "waiting" and line.began else ""
            again = f"revision {line.revision}" if line.revision > 1 else ""
            table.add_row(MARKS[line.state], name, timed, again, Text(line.note), style=STYLES.get(line.state, "dim"))
        return table


def _note(outcome: str, data: dict[str, Any]) -> str:
    if outcome == "rejected":
        return f"{data['findings']} findings: back to {data['target']}"
    if outcome == "failed":
        return str(data["error"])
    return "findings stand, no round left" if data.get("unmet") else ""


def follow(events: Iterable[ServerSentEvent], *, quiet: bool = False) -> Board:
    """Show events until they end; the final board."""
    board = Board()
    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal and not quiet:
        with _shown(board, console):
            for event in events:
                board.take(event)
        return board
    for event in events:
        line = board.take(event)
        if line is not None and not quiet:
            name = next(name for name, known in board.lines.items() if known is line)
            timed = f"{line.seconds:.2f} s" if line.began else ""
            again = f"(revision {line.revision})" if line.revision > 1 else ""
            text = " ".join(part for part in (MARKS[line.state], f"{name:22}", timed, again, line.note) if part)
            sys.stderr.write(text + "\n")
    return board


@contextmanager
def _shown(board: Board, console: Console) -> Iterator[None]:
    with Live(get_renderable=board.table, console=console, refresh_per_second=8):
        yield
