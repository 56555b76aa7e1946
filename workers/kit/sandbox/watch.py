"""How much all processes of a sandbox use together, read from outside: rlimits are per process only."""

from __future__ import annotations

import os
from pathlib import Path

MAX_INODES = 200_000


def first_child(pid: int) -> int | None:
    """bwrap's own child: the first process of the sandbox's process namespace; killing it ends all the others."""
    return next(iter(_children(pid)), None)


def excess(pid: int, *, memory_bytes: int, writable: tuple[str, ...]) -> str | None:
    """The limit that the sandbox of bwrap process `pid` is over: 'memory' or 'disk'. Blocks for about a millisecond."""
    inside = _descendants(pid)
    if not inside:
        return None
    if sum(map(_resident, inside)) > memory_bytes and sum(map(_proportional, inside)) > memory_bytes:
        return "memory"
    # A size limit on a tmpfs does not count empty files, each of which costs the kernel a kilobyte.
    return "disk" if sum(_inodes(inside[0], folder) for folder in writable) > MAX_INODES else None


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for child in _children(pid):
        found += [child, *_descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    try:
        lists = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # gone meanwhile
        return []
    return [int(child) for text in lists for child in text.split()]


def _resident(pid: int) -> int:
    """Memory of its own and shared, without files; pages shared after a fork are counted in each process."""
    return _sum_kib(f"/proc/{pid}/status", (b"RssAnon:", b"RssShmem:", b"VmSwap:"))


def _proportional(pid: int) -> int:
    """The same with each shared page split among its users: exact, but slow to read."""
    return _sum_kib(f"/proc/{pid}/smaps_rollup", (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")) or _resident(pid)


def _sum_kib(path: str, fields: tuple[bytes, ...]) -> int:
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(fields))


def _inodes(pid: int, folder: str) -> int:
    try:
        status = os.statvfs(f"/proc/{pid}/root{folder}")
    except OSError:
        return 0
    return status.f_files - status.f_ffree
