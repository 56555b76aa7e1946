"""Company: where many are at work in one process they store together, so that all pay once for what each would pay.

Who stored together goes on together: one pack, one commit, one publish, and the next stages begin and ask as one too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 16
"""Fewer than these at work wait for nobody."""

APART_S = 0.01
"""A model's answer takes fifty times as long."""


class Company:
    """One a process. Those who go together go so long after the last who did, at least."""

    def __init__(self, apart_s: float = APART_S) -> None:
        self._apart_s = apart_s
        self._working = 0
        self._went = 0.0
        self._going: asyncio.Event | None = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """One more is at work inside."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    async def wait(self) -> None:
        """For all who go next; they go at once where the last ones went some time ago."""
        if self._working < MANY:
            return
        if self._going is None:
            self._going = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._went + self._apart_s), self._go)
        await self._going.wait()

    def _go(self) -> None:
        going, self._going = self._going, None
        self._went = asyncio.get_running_loop().time()
        if going is not None:
            going.set()
