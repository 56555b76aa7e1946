"""uvicorn, with two things more: bytes that many are sent go past the application's layers to their connections, and
who follows events is told to come back before it stops."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

DIRECT = "quantumlayer.direct"
"""In a request's `extensions`: its `Protocol`."""
WAITING = 16 << 10
"""Bytes that may wait in a connection for more to be written into it directly."""


class Protocol(H11Protocol):
    """One connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        layers: Any = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["http_version"] == "1.1":
                scope["extensions"] = {DIRECT: self}
            await layers(scope, receive, send)

        self.app: Any = app

    def take(self, chunk: bytes) -> bool:
        """Write a chunk of an answer's body as it goes over the wire; False where that can't be now."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size() > WAITING:
            return False
        self.transport.write(chunk)
        return True

    def abort(self) -> None:
        """Close it, whatever waits in it."""
        self.transport.abort()


def direct(scope: Scope) -> Protocol | None:
    """Of this request, whose answer is one of chunks and has begun; None where the server has no such thing."""
    found: Protocol | None = scope.get("extensions", {}).get(DIRECT)
    return found


class Server(uvicorn.Server):
    """Of one app of ours."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(uvicorn.Config(app, http=Protocol, **options))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end by themselves never."""
        if self.started and hasattr(self._app.state, "gateway"):
            await self._app.state.gateway.streams.end()
        await super().shutdown(sockets)
