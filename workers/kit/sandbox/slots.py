"""One sandbox at a time per slot, across all processes of this machine; as root each slot is a uid of its own.

Process limits count per uid, so two sandboxes of one uid could starve each other. The kernel frees a dead owner's lock.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from workers.kit.registry.folders import shared

_POLL_S = 0.05


class Slots:
    """`count` slots, locked by files in `folder`; slot n runs as `first_uid + n`."""

    def __init__(self, folder: Path, *, count: int, first_uid: int) -> None:
        self._folder = folder
        self._count = count
        self._first_uid = first_uid

    @asynccontextmanager
    async def one(self) -> AsyncIterator[int]:
        """The uid to run as, when a slot is free."""
        shared(self._folder)
        while (taken := self._take()) is None:  # noqa: ASYNC110 - the lock may be held by another process
            await asyncio.sleep(_POLL_S)
        slot, fd = taken
        try:
            yield self._first_uid + slot
        finally:
            os.close(fd)

    def _take(self) -> tuple[int, int] | None:
        for slot in range(self._count):
            fd = os.open(self._folder / f"{slot}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            return slot, fd
        return None
