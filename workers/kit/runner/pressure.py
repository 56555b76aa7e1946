"""Back-pressure by memory: a process above its limit takes no new work until what it has is done or has given it back.

What it has goes on, and what waits stays in the stream, for others too.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

LOOK_S = 1.0
ENOUGH = 0.9
"""Of the limit, where work is taken again."""
SHARE = 0.8
"""Of a container's memory, or the machine's, which has other processes and a page cache too."""
CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of version 2, and of version 1, whose word for no limit is more than any machine has."""
STATM = Path("/proc/self/statm")

log = structlog.get_logger(__name__)


class Valve(Protocol):
    """Who takes work."""

    @property
    def in_flight(self) -> int: ...

    async def hold(self) -> None: ...

    def let_go(self) -> None: ...


class Pressure:
    """Looks every second; `limit` 0 is none. `held` is a sentence while nothing new is taken."""

    def __init__(self, valve: Valve, limit: int) -> None:
        self._valve = valve
        self._limit = limit
        self.held = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._limit:
                await self._look(resident())

    async def _look(self, used: int) -> None:
        if not self.held and used > self._limit:
            self.held = f"no new work is taken: {used >> 20} MiB of memory are used, of {self._limit >> 20}"
            log.warning("memory.held", used=used, limit=self._limit, in_flight=self._valve.in_flight)
            await self._valve.hold()
            gc.collect()  # which is done seldom; see `process`
        elif self.held and (used < ENOUGH * self._limit or not self._valve.in_flight):
            # With nothing in flight it is not the work that takes the room, and to wait would be for ever.
            log.info("memory.let_go", used=used, limit=self._limit)
            self.held = ""
            self._valve.let_go()


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory_share(cgroups: Sequence[Path] = CGROUPS) -> int:
    """What one worker may take of its container's limit, or of the machine where there is none."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min([machine, *(limit for file in cgroups if (limit := _limit(file)))]) * SHARE)


def _limit(file: Path) -> int:
    try:
        said = file.read_text().strip()
    except OSError:
        return 0
    return int(said) if said.isdecimal() else 0
