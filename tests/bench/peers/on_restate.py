"""Restate: a handler of twelve durable steps, served by hypercorn; the loop calls its ingress. In Restate's venv."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import restate  # type: ignore[import-not-found]  # a peer's, not ours

from tests.bench import loop

STEPS = 12
service = restate.Service("Steps")


async def nothing() -> int:
    """A step."""
    return 1


@service.handler()  # type: ignore[untyped-decorator]
async def run(context: Any, start: int) -> int:
    """Twelve checkpoints."""
    for number in range(STEPS):
        start += await context.run_typed(f"step_{number}", nothing)
    return start


app = restate.app(services=[service])


class Ingress:
    """As many kept connections as calls at once: the least that a client can cost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def one(self) -> bool:
        """One call of the handler, to its answer."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST /Steps/run HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: 1\r\n\r\n0".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        lines = answer.decode().lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        body = await reader.readexactly(length)
        self._free.append((reader, writer))
        return " 200 " in lines[0] and json.loads(body) == STEPS


async def _main(asked: dict[str, Any]) -> None:
    await loop.run(Ingress(asked["port"]).one, asked["in_flight"], asked["warm_up"], asked["patience_s"])


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(json.loads(sys.argv[1])))
