"""`/livez` and `/readyz` of a worker, on loopback: answers from real round trips, never from what was true before.

Live: this process can reach PostgreSQL and JetStream takes what it publishes. Ready: its stream and durables are there.
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
from nats.errors import NoRespondersError

from contracts import subjects
from workers.kit.stores.drops import StreamMemory

from .api import ApiError, call

HOST = "127.0.0.1"
ANSWER_S = 3.0
PROBE = subjects.wake("health", "probe", "worker")
"""A wake for no stage: nobody reads it, and it is gone a second later."""

_TTL = {"Nats-TTL": "1s", "Nats-Expected-Stream": subjects.STREAM}

Check = Callable[[], Awaitable[None]]
"""Raises what is wrong."""


class Checks:
    """What a worker looks at to say how it is."""

    def __init__(self, nc: Client, memory: StreamMemory, stages: Sequence[str]) -> None:
        self._nc = nc
        self._memory = memory
        self._stages = stages

    async def live(self) -> None:
        """A server whose disk was full takes no publish, and says nothing, until it is restarted.

        A refusal is an answer, and so is that there is no stream: the keeper's work, not this process's fault.
        """
        with contextlib.suppress(NoRespondersError):
            await self._nc.request(PROBE, b"", timeout=ANSWER_S, headers=_TTL)
        await self._memory.remembered()

    async def ready(self) -> None:
        """The stream takes what it is given, and every durable is there."""
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
            async with asyncio.timeout(ANSWER_S):
                await check()
        except Exception as error:  # noqa: BLE001  # whatever is wrong is the answer
            return 503, str(error) or type(error).__name__
        return 200, f"ok (pid {os.getpid()})"
