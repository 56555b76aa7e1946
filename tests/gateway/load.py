"""Open-loop load on a gateway: submissions leave at a fixed rate, whatever the answers do, over keep-alive connections.

A latency is counted from the moment a submission was due, so a gateway that stalls can't hide it (no coordinated
omission). The client is plain asyncio streams: a tenth of what an HTTP library costs on the cores under test.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PROMPT = "A REST API for a library: books with a title, an ISBN that must be unique and a status."
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Load:
    """What came of it. `ids` are the accepted workflows; `statuses` counts answers, 0 for a lost connection."""

    rate: float
    seconds: float
    ids: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def accepted_per_s(self) -> float:
        """From the first submission to the last answer."""
        return len(self.ids) / self.elapsed_s

    def percentile_ms(self, share: float) -> float:
        """Latency that `share` of the accepted submissions did not exceed; infinite where none was accepted."""
        ordered = sorted(self.latencies_s) or [float("inf")]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


async def submissions(
    url: str, *, rate: float, seconds: float, connections: int = 64, prompts: Sequence[str] = (PROMPT,)
) -> Load:
    """Submit `rate * seconds` prompts in turn; returns when every one was answered."""
    load = Load(rate, seconds)
    free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    made = [_Connection(url) for _ in range(connections)]
    for connection in made:
        await connection.open()
        free.put_nowait(connection)
    bodies = [json.dumps({"prompt": prompt}).encode() for prompt in prompts]
    began = time.perf_counter()
    async with asyncio.TaskGroup() as running:
        for number in range(round(rate * seconds)):
            due = began + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            running.create_task(_one(free, bodies[number % len(bodies)], due, load))
    load.elapsed_s = time.perf_counter() - began
    for connection in made:
        connection.close()
    return load


async def _one(free: asyncio.LifoQueue[_Connection], body: bytes, due: float, load: Load) -> None:
    connection = await free.get()
    try:
        status, answer = await connection.post("/v1/workflows", body)
    except (OSError, asyncio.IncompleteReadError):
        load.statuses[0] += 1
        await connection.open()
    else:
        load.statuses[status] += 1
        if status == 202:
            load.ids.append(json.loads(answer)["id"])
            load.latencies_s.append(time.perf_counter() - due)
    finally:
        free.put_nowait(connection)


class _Connection:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._at = (parts.hostname, parts.port)

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._at)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self._reader.at_eof():  # closed while idle: as every HTTP client looks first
            await self.open()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._at[0]}\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answered = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(answered)
        assert length, answered
        return int(answered[9:12]), await self._reader.readexactly(int(length[1]))

    def close(self) -> None:
        self._writer.close()
