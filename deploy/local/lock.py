"""One launcher a data folder: a lock on a file, which the servers inherit.

So a killed launcher's folder is free only when the last of its servers is gone, and no pid file is ever believed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Lock:
    fd: int

    def release(self) -> None:
        os.close(self.fd)


async def take(file: Path, patience_s: float = PATIENCE_S) -> Lock:
    """Waits while servers of a killed launcher are on their way out; refuses at once when the launcher lives."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StackError(f"The lock file {file} can't be opened: {error.strerror}.") from None
    try:
        await _wait_for(fd, file.parent, patience_s)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
    except BaseException:
        os.close(fd)
        raise
    return Lock(fd)


def is_held(file: Path) -> bool:
    """Whether a launcher, or a server it left, holds the folder of this lock file."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _locked(fd)
    finally:
        os.close(fd)


async def _wait_for(fd: int, folder: Path, patience_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + patience_s
    while not _locked(fd):
        holder = _holder(fd)
        if holder is not None and is_alive(holder):
            raise StackError(
                f"The data folder {folder} is taken by process {holder}; stop it or choose another folder."
            )
        if asyncio.get_running_loop().time() > deadline:
            raise StackError(f"Servers of the ended process {holder} still hold the data folder {folder}; stop them.")
        await asyncio.sleep(0.05)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> int | None:
    text = os.pread(fd, 20, 0).strip()
    return int(text) if text.isdigit() else None


def is_alive(pid: int) -> bool:
    """False for a zombie too: it holds nothing any more."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
