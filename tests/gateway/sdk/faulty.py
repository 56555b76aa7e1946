"""A real server on loopback between a client and the gateway, which fails as planned, a connection at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

SWALLOW = 0
"""Pass the request on, and cut the connection before a byte of the answer comes back."""


def says(status: int, *headers: str, body: str = "") -> bytes:
    """A whole answer, after which the connection is closed."""
    head = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join([*head, "", ""]) + body).encode()


@dataclass
class Faulty:
    """`plan` has an answer to give in the gateway's place, or the bytes of its answer to let through, a connection
    each; those after it pass."""

    url: str = ""
    plan: list[bytes | int] = field(default_factory=list)


@asynccontextmanager
async def before(gateway_url: str) -> AsyncIterator[Faulty]:
    at, faulty = urlsplit(gateway_url), Faulty()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None = None) -> None:
        with suppress(OSError):
            while (most is None or most > 0) and (data := await reader.read(1 << 16)):
                writer.write(data if most is None else data[:most])
                await writer.drain()
                most = None if most is None else most - len(data)

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(cast("asyncio.Task[None]", asyncio.current_task()))
        fault = faulty.plan.pop(0) if faulty.plan else None
        there, back = await asyncio.open_connection(at.hostname, at.port)
        sending: asyncio.Task[None] | None = None
        try:
            if isinstance(fault, bytes):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(fault)
                await writer.drain()
                return
            sending = asyncio.create_task(carry(reader, back))
            if fault == SWALLOW:
                await there.readuntil(b"\r\n\r\n")  # the gateway has done it
            else:
                await carry(there, writer, fault)
        finally:
            if sending is not None:
                sending.cancel()
            for end in (writer, back):
                end.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    faulty.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield faulty
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
