"""The provider as a process of its own, asked and steered over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import msgspec

from tests.providers.plan import Plan
from tests.providers.server import Call

STARTED_S = 30.0


@dataclass(frozen=True, slots=True)
class OwnProvider:
    """Where it listens, its process, and a client of it: making one costs what twenty requests do."""

    url: str
    process: asyncio.subprocess.Process
    http: httpx.AsyncClient

    async def calls(self) -> list[Call]:
        """All that it was asked so far."""
        told = await self.http.get("/_calls")
        return msgspec.json.decode(told.content, type=list[Call])

    async def plan(self, planned: Plan | str) -> None:
        """Faults from now on."""
        text = planned if isinstance(planned, str) else msgspec.json.encode(planned).decode()
        (await self.http.post("/_plan", content=text)).raise_for_status()


@asynccontextmanager
async def own_provider(*arguments: str) -> AsyncIterator[OwnProvider]:
    """`arguments` are those of `python -m tests.providers`."""
    command = (sys.executable, "-m", "tests.providers", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), STARTED_S)).decode().strip()
        if not url:
            raise RuntimeError(f"the provider ended with {await process.wait()}")
        async with httpx.AsyncClient(base_url=url) as http:
            yield OwnProvider(url, process, http)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
