"""What a worker looks at for `/livez` and `/readyz`; see `doors`.

Ready: PostgreSQL answers, the stream takes what it is given, the durables are there, and there is memory for more.
"""

from __future__ import annotations

from collections.abc import Sequence

from nats.aio.client import Client

from contracts import subjects
from workers.kit.stores.drops import StreamMemory

from .api import ApiError, call
from .connection import alive
from .worker import Worker

ANSWER_S = 3.0
"""For the servers."""
PROBE = subjects.wake("health", "probe", "worker")
"""A wake for no stage: nobody reads it, and it is gone a second later."""

_TTL = {"Nats-TTL": "1s", "Nats-Expected-Stream": subjects.STREAM}


class NotReady(Exception):
    """All is well, and yet no work is taken."""


class Checks:
    """What a worker looks at to say how it is."""

    def __init__(self, nc: Client, memory: StreamMemory, stages: Sequence[str], worker: Worker) -> None:
        self._nc = nc
        self._memory = memory
        self._stages = stages
        self._worker = worker

    async def live(self) -> None:
        """PostgreSQL and NATS may be away."""
        await self._worker.ping()
        await alive(self._nc)

    async def ready(self) -> None:
        """A server whose disk was full takes no publish, and says nothing, until it is restarted."""
        if self._worker.held:
            raise NotReady(self._worker.held)
        answer = await self._nc.request(PROBE, b"", timeout=ANSWER_S, headers=_TTL)
        if b'"error"' in answer.data:
            raise ApiError(PROBE, 0, f"the stream refuses: {answer.data.decode(errors='replace')[:200]}")
        for stage in self._stages:
            await call(self._nc, f"CONSUMER.INFO.{subjects.STREAM}.{stage}")
        await self._memory.remembered()
