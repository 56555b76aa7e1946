"""`/livez` and `/readyz` of a worker, on loopback: answers from real round trips, never from what was true before.

Live: a round trip through this process's own loop, tasks and connection, which fails only for what a restart mends.
Ready: PostgreSQL answers, the stream takes what it is given, the durables are there, and there is memory for more.
Imported only where a port is set.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from nats.aio.client import Client

from contracts import subjects
from workers.kit.stores.drops import StreamMemory

from .api import ApiError, call
from .connection import alive
from .worker import Worker

HOST = "127.0.0.1"
ANSWER_S, DOOR_S = 3.0, 5.0
"""For the servers, and for all that is looked at: a silent server is told as such, and does not end `/livez`."""
PROBE = subjects.wake("health", "probe", "worker")
"""A wake for no stage: nobody reads it, and it is gone a second later."""

_TTL = {"Nats-TTL": "1s", "Nats-Expected-Stream": subjects.STREAM}

Check = Callable[[], Awaitable[None]]
"""Raises what is wrong."""


async def awake() -> None:
    """The event loop has come to this line, and that is all there is yet."""


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


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are FastStream's


class Doors:
    """The HTTP server; `checks` are looked up at every request, by path."""

    def __init__(self, port: int, checks: Callable[[], Mapping[str, Check]]) -> None:
        self._checks = checks
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            host=HOST,
            port=port,
            lifespan="off",
            ws="none",
            access_log=False,
            log_level="warning",
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Serve until closed."""
        self._serving = asyncio.create_task(self._server.serve())

    async def close(self) -> None:
        """Serve no more."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    async def _answer(self, scope: Mapping[str, Any], _: object, send: Callable[..., Awaitable[None]]) -> None:
        status, text = await self._status(scope["path"])
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": f"{text}\n".encode()})

    async def _status(self, path: str) -> tuple[int, str]:
        check = self._checks().get(path)
        if check is None:
            return (503, "starting") if path in {"/livez", "/readyz"} else (404, "only /livez and /readyz are here")
        try:
            async with asyncio.timeout(DOOR_S):
                await check()
        except Exception as error:  # noqa: BLE001  # whatever is wrong is the answer
            return 503, str(error) or type(error).__name__
        return 200, f"ok (pid {os.getpid()})"
