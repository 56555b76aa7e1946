"""What processes use, by what they are: CPU seconds and resident memory of everything below a process, from /proc."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KINDS = (
    ("tests.bench.worker", "workers"),
    ("tests.bench.naive", "workers"),
    ("tests.bench.asking", "workers"),
    ("workers.llm_router", "router"),
    ("tests.bench.emulating", "router"),
    ("tests.providers", "provider"),
    ("tests.bench.driver", "driver"),
    ("-m tests.bench.peers.on_", "loop"),
    ("tests.bench.peers.on_", "handlers"),
    ("prefect server", "prefect"),
    ("-m gateway", "gateway"),
    ("workers.keeper", "keeper"),
    ("nats-server", "nats"),
    ("postgres", "postgres"),
    ("weed", "s3"),
    ("redis-server", "redis"),
    ("restate-server", "restate"),
)
OTHER = "other"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One living process. `cpu_s` counts the children it has waited for."""

    pid: int
    kind: str
    cpu_s: float
    resident_mib: float


def below(root: int) -> list[Process]:
    """The descendants of `root`, without itself; a child nobody named is of its parent's kind."""
    parents, stats = {}, {}
    for pid in _pids():
        if fields := _stat(pid):
            parents[pid], stats[pid] = int(fields[1]), fields
    found: list[Process] = []
    ranks: list[tuple[int, str]] = [(root, OTHER)]
    while ranks:
        above, inherited = ranks.pop()
        for pid in [pid for pid, parent in parents.items() if parent == above]:
            kind = _kind(pid) or inherited
            cpu_s = sum(map(int, stats[pid][11:15])) / _TICKS
            found.append(Process(pid, kind, cpu_s, int(stats[pid][21]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)))
            ranks.append((pid, kind))
    return found


def cpu_by_kind(root: int) -> Counter[str]:
    """CPU seconds so far. Two of these, subtracted, are what a stretch of time cost."""
    used: Counter[str] = Counter()
    for process in below(root):
        used[process.kind] += process.cpu_s  # type: ignore[assignment]  # a Counter adds floats as well
    return used


def resident(root: int, kind: str) -> float:
    """MiB of all processes of a kind together."""
    return sum(resident_each(root, kind).values())


def resident_each(root: int, kind: str) -> dict[int, float]:
    """MiB of each process of a kind, by its id."""
    return {process.pid: process.resident_mib for process in below(root) if process.kind == kind}


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _stat(pid: int) -> list[str]:
    """The fields after the command's name; empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _kind(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
    return next((kind for part, kind in KINDS if part in command), "")
