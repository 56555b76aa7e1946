"""`/livez`, and what else a process says of itself over HTTP: from real round trips, never from what was true before.

Live: a round trip through the process's own loop, tasks and connection, which fails only for what a restart mends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog
from nats.aio.client import Client

from workers.kit.settings import Settings

from .connection import alive

if TYPE_CHECKING:
    from faststream import FastStream
    from faststream.nats import NatsBroker
    from uvicorn import Server

DOOR_S = 5.0
"""For all that is looked at: a silent server is told as such, and does not end `/livez`."""

AT_ONCE = 64
"""Connections, of whoever reaches the address; the next one is told 503."""
PATHS = ("/livez", "/readyz")
Check = Callable[[], Awaitable[None]]
"""Raises what is wrong."""
log = structlog.get_logger(__name__)


async def awake() -> None:
    """The event loop has come to this line, and that is all there is yet."""


@asynccontextmanager
async def open_doors(settings: Settings) -> AsyncIterator[dict[str, Check]]:
    """The checks by path, looked up at every request while inside; nothing is served where no port is set.

    A server that is away at the start is nothing that a restart mends: until its check is put here, `/livez` is told by
    a process that is awake.
    """
    checks: dict[str, Check] = {"/livez": awake}
    if not settings.health_port:
        yield checks
        return
    import uvicorn  # only where a port is set

    config = uvicorn.Config(
        _Doors(checks),
        interface="asgi3",
        host=settings.health_host,
        port=settings.health_port,
        lifespan="off",
        ws="none",
        limit_concurrency=AT_ONCE,
        access_log=False,
        log_level="warning",
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # they are the process's own
    serving = asyncio.create_task(_serve(server))
    try:
        yield checks
    finally:
        server.should_exit = True
        await serving


async def _serve(server: Server) -> None:
    try:
        await server.serve()
    except SystemExit:  # uvicorn's, of a port that is taken: the work is done without doors
        log.error("health.no_doors", host=server.config.host, port=server.config.port)  # it said why


def watch(service: FastStream, checks: dict[str, Check], *tasks: Callable[[], None]) -> None:
    """Once the service is connected, its `/livez` asks its own connection, and `tasks`, which raise what has ended."""

    async def live(nc: Client) -> None:
        for ping in tasks:
            ping()
        await alive(nc)

    async def connected() -> None:
        checks["/livez"] = partial(live, await cast("NatsBroker", service.broker).connect())

    service.after_startup(connected)


class _Doors:
    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def __call__(self, scope: Mapping[str, Any], _: object, send: Callable[..., Awaitable[None]]) -> None:
        status, text = await self._status(scope["path"])
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": f"{text}\n".encode()})

    async def _status(self, path: str) -> tuple[int, str]:
        check = self._checks.get(path)
        if check is None:
            return (503, "starting") if path in PATHS else (404, "only /livez and /readyz are here")
        try:
            async with asyncio.timeout(DOOR_S):
                await check()
        except Exception as error:  # noqa: BLE001  # whatever is wrong is the answer
            return 503, str(error) or type(error).__name__
        return 200, f"ok (pid {os.getpid()})"
