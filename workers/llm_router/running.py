"""What is worked on side by side: no more than so many, and at the end of the process waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

_log = structlog.get_logger()


class Running:
    """A subscriber's messages, each a task: FastStream's own way takes a semaphore twice, a queue and a task group."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, work: Coroutine[object, object, None]) -> None:
        """Soon as there is room; what comes meanwhile waits on the bus's connection."""
        await self._free.acquire()
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def end(self, within_s: float) -> None:
        """Until all have ended."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def cut(self, within_s: float) -> None:
        """What still runs may tell how its call ended, for so long; what remains is cancelled."""
        await self.end(within_s)
        for task in self._tasks:
            task.cancel()
        await self.end(within_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("llm.untold", error=type(error).__name__)
