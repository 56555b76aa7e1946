"""To which process work is offered first: to the one that is longest here, as long as it gets work done (ADR 0019).

Batches grow with what is in one process, so work fills one before the next. Only a preference: while the store
is away the last rank is kept, and whoever offers itself gets what nobody before it has room for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
from ulid import ULID

from workers.kit.stores.drops import Drops, StoreDown

from .outbox import Counts
from .pull import LAST, PullLoop

LOOK_S = 1.0
RANK_S = 10.0
"""Between two questions which rank this is."""
LAPSE_S = 25.0
"""So long after its last question a process that has died keeps its place."""
LEAVE_S = 1.0
BUSY = 0.85
"""Of the CPU that one process can use: above it has no time for more."""
UNDONE, DONE = ("retry", "handed back", "idle.store_down"), ("completed", "rejected", "failed")
"""Where more came to the first than to the second, others may be able to do it: they reach a store that this one does
not reach, perhaps. It is quick with such work, so it would have room for all of it."""
REST_S = 10.0
"""So long it offers itself last then. All that do share what comes; who came back sooner would get all of it."""
CGROUP = Path("/sys/fs/cgroup")

log = structlog.get_logger(__name__)


class Offering:
    """Sets the priority of `loops`."""

    def __init__(self, drops: Drops, loops: Sequence[PullLoop], counts: Counts, cpu: float = 1.0) -> None:
        self._drops = drops
        self._loops = loops
        self._counts = counts
        self._counted = 0
        self._process = str(ULID())
        self._cpu = cpu
        self._ranks: Mapping[str, int] = {}
        self._last_until = 0.0
        self.last = False

    async def run(self) -> None:
        """Until cancelled."""
        before, asked = _used(), -RANK_S  # soon again: those that start at the same moment have not seen each other
        while True:
            await asyncio.sleep(LOOK_S)
            now = _used()
            await self.measured((now[0] - before[0]) / (now[1] - before[1]) / self._cpu)
            before = now
            if now[1] - asked >= RANK_S:
                asked = now[1]
                await self.look()

    async def measured(self, share: float) -> None:
        """The share of its CPU that this process has used since the last time; what it has done it counts itself."""
        now = time.monotonic()
        if share > BUSY or self._fails():
            self._last_until = now + REST_S
        if self.last != (now < self._last_until):
            self.last = not self.last
            log.info("worker.steps_back" if self.last else "worker.comes_back", cpu=round(share, 2))
            await self._offer()

    def _fails(self) -> bool:
        done = self._counts.done
        before, self._counted = self._counted, sum(done[name] for name in UNDONE) - sum(done[name] for name in DONE)
        return self._counted > before

    async def look(self) -> None:
        """Ask which rank this is."""
        if not self._loops:
            return
        try:
            stages = [loop.durable for loop in self._loops]
            self._ranks = await self._drops.ranks(self._process, stages, for_s=LAPSE_S)
        except StoreDown as error:
            log.warning("ranks.unknown", error=str(error))
        except Exception:  # tables of an older version, perhaps: work goes on without a rank
            log.exception("ranks.fault")
        await self._offer()

    async def leave(self) -> None:
        """Others move up."""
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._drops.leave(self._process)
        except Exception as error:  # noqa: BLE001  # then its place lapses
            log.warning("ranks.unknown", error=str(error) or type(error).__name__)

    async def _offer(self) -> None:
        await asyncio.gather(*(loop.offer(self._priority(loop.durable)) for loop in self._loops))

    def _priority(self, stage: str) -> int:
        return LAST if self.last else min(self._ranks.get(stage, LAST), LAST - 1)


def _used() -> tuple[float, float]:
    """Seconds of CPU, at a moment."""
    return time.process_time(), time.monotonic()


def cgroup_cpu(root: Path = CGROUP) -> float:
    """How much of one core this process may have: less than one only in a container that is given less."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with contextlib.suppress(OSError, ValueError):
            quota, period = " ".join((root / file).read_text() for file in files).split()
            return min(1.0, int(quota) / int(period)) if quota.isdecimal() else 1.0
    return 1.0
