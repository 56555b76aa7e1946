"""uvicorn, with three things more: bytes that many are sent go past the application's layers to their connections, who
takes nothing of an answer is cut off, and who follows events is told to come back before it stops."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

DIRECT = "quantumlayer.direct"
"""In a request's `extensions`: its `Protocol`."""
WAITING = 16 << 10
"""Bytes that may wait in a connection for more to be written into it directly."""
STALL_S = 30.0
"""Until a client that takes nothing of what waits for it is cut off."""
KEPT_S = 75
"""An idle connection is kept longer than nginx and AWS' load balancer keep theirs (60 s): they send no request into one
that is just being closed here. Who keeps theirs longer than this is to be set to less."""
_log = structlog.get_logger()


class Protocol(H11Protocol):
    """One connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        layers: Any = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope["extensions"] = {DIRECT: self}
            await layers(scope, receive, send)

        self.app: Any = app
        self._stall: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """More waits in the connection than it should."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The client takes it."""
        super().resume_writing()
        self._unwatch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing waits any more."""
        super().connection_lost(exc)
        self._unwatch()

    def _watch(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._stall = asyncio.get_running_loop().call_later(STALL_S, self._look, waiting)

    def _unwatch(self) -> None:
        if self._stall is not None:
            self._stall.cancel()

    def _look(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._watch()
            return
        _log.warning("reader_stalled")
        self.transport.abort()  # to close it would wait until all was sent: for ever

    def take(self, chunk: bytes) -> bool:
        """Write a chunk of an answer's body as it goes over the wire; False where that can't be now."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size() > WAITING:
            return False
        self.transport.write(chunk)
        return True

    def cut(self, *, chunked: bool) -> None:
        """Close it in the middle of an answer, behind what was sent, so that its client sees that this is not all."""
        if not chunked:  # where a closed connection means that this was all, it must be a broken one
            self.transport.abort()
            return
        self.transport.close()
        asyncio.get_running_loop().call_later(STALL_S, self.transport.abort)


def connection(scope: Scope) -> Protocol:
    """Of this request."""
    found: Protocol = scope["extensions"][DIRECT]
    return found


def chunked(scope: Scope) -> bool:
    """Whether an answer of unknown length is sent in chunks."""
    return bool(scope["http_version"] == "1.1")


class Server(uvicorn.Server):
    """Of one app of ours."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(uvicorn.Config(app, http=Protocol, timeout_keep_alive=KEPT_S, **options))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end by themselves never."""
        if self.started and hasattr(self._app.state, "gateway"):
            await self._app.state.gateway.streams.end()
        await super().shutdown(sockets)
