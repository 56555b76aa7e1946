"""A receiver of webhooks: a real HTTP server that answers as the path says and keeps what came."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

ANSWERS = {
    "/ok": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/fails": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 10\r\n\r\nno \x00 today",
    "/busy": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n",
    "/gone": b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n",
    "/moved": b"HTTP/1.1 302 Found\r\nlocation: /ok\r\ncontent-length: 0\r\n\r\n",
    "/long": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000,
    "/nonsense": b"\r\n\r\nSSH-2.0\r\n\r\n",
}


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def signed_with(self, secret: str) -> bool:
        """As the specification says it, written down without our code: HMAC by its definition (RFC 2104)."""
        key = binascii.a2b_base64(secret.removeprefix("whsec_")).ljust(64, b"\0")
        said = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + said).digest()
        outer = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()
        return f"v1,{base64.b64encode(outer).decode()}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """What came so far. `answers` by path; a path that is not there is never answered."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=lambda: dict(ANSWERS))
    waiting: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def came(self, count: int, path: str = "/ok", within_s: float = 20) -> list[Call]:
        """The first `count` requests at the path."""
        async with asyncio.timeout(within_s), self._came:
            await self._came.wait_for(lambda: len(self.of(path)) >= count)
        return self.of(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            path = line.split(" ")[1]
            self.waiting[path] += 1
            self.most[path] = max(self.most[path], self.waiting[path])
            async with self._came:
                self.calls.append(Call(path, headers, body))
                self._came.notify_all()
            if path in self.answers:
                writer.write(self.answers[path])
                await writer.drain()
            else:
                await reader.read()  # until the other side has had enough
            self.waiting[path] -= 1
        writer.close()


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """On a free port of loopback, until the block ends."""
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
