"""HTTP/1.1 with as little work a request as it takes; a caller that hangs up cancels the work on its request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

JSON, EVENTS = "application/json", "text/event-stream"
LINES, FRAMES = "application/x-ndjson", "application/vnd.amazon.eventstream"
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, read whole. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Response:
    """What goes back: one body, or a stream of pieces, or a cut in the middle of either."""

    def __init__(self, transport: asyncio.Transport, drained: Callable[[], Awaitable[None]]) -> None:
        self._transport = transport
        self._drained = drained
        self._length = b""

    def head(self, status: int, kind: str, length: int | None, more: Mapping[str, str] | None = None) -> None:
        """Status line and headers; a body without `length` goes in chunks."""
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", f"content-type: {kind}", size]
        lines += [f"{name}: {value}" for name, value in (more or {}).items()]
        self._transport.write("\r\n".join(lines).encode() + _END)

    def whole(self, status: int, body: bytes, more: Mapping[str, str] | None = None) -> None:
        """A JSON document."""
        self.head(status, JSON, len(body), more)
        self._transport.write(body)

    async def piece(self, body: bytes) -> None:
        """Some bytes of a body whose length was told."""
        self._transport.write(body)
        await self._drained()

    async def chunk(self, body: bytes) -> None:
        """A piece of a stream."""
        await self.piece(b"%x\r\n%b\r\n" % (len(body), body))

    def end(self) -> None:
        """No more chunks."""
        self._transport.write(b"0\r\n\r\n")

    async def cut(self) -> None:
        """Hang up once what was written is gone, whatever was promised."""
        self._transport.close()


Handle = Callable[[Request, Response], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One caller's connection: its requests one after the other."""

    def __init__(self, handle: Handle, open_ones: set[Connection]) -> None:
        self._handle = handle
        self._open = open_ones
        self._buffer = bytearray()
        self._working: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none of asyncio's classes
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._may_write.set()
        if self._working is not None:
            self._working.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._working is None:
            self._next()

    def close(self) -> None:
        self._transport.abort()

    def _next(self) -> None:
        request = self._taken()
        if request is None:
            return
        response = Response(self._transport, self._drained)
        self._working = asyncio.ensure_future(self._handle(request, response))
        self._working.add_done_callback(self._done)

    def _done(self, work: asyncio.Task[None]) -> None:
        self._working = None
        if not work.cancelled() and work.exception() is not None:
            self._transport.abort()
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the provider failed", "exception": work.exception(), "task": work}
            )
        elif not self._transport.is_closing():
            self._next()

    def _taken(self) -> Request | None:
        """The next whole request of the buffer."""
        end = self._buffer.find(_END)
        if end < 0:
            return None
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        start = end + len(_END)
        length = int(headers.get("content-length", "0"))
        if len(self._buffer) < start + length:
            return None
        body = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        return Request(method=method, path=path, query=query, headers=headers, body=body)

    async def _drained(self) -> None:
        await self._may_write.wait()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Other"
