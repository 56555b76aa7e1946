"""Router processes for a measurement: the product's own with a provider of ours, or ones that emulate their models."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import nats.errors
from nats.aio.client import Client

from tests.bench.measure import tied
from tests.bench.place import Place
from tests.providers.own import OwnProvider, own_provider
from tests.providers.server import KEY
from workers.kit.llm.wire import MODELS

STARTED_S = 60.0
ROUTER = ("workers.llm_router",)


@asynccontextmanager
async def provided(here: Place, *arguments: str, routers: int = 1) -> AsyncIterator[OwnProvider]:
    """A provider, and routers that know no other."""
    async with own_provider(*arguments) as provider, running(here, ROUTER, reaching(provider), routers):
        yield provider


@asynccontextmanager
async def emulating(here: Place, answers: Path, seconds: float, routers: int = 1) -> AsyncIterator[Path]:
    """Routers that answer by themselves; the file names every question that they asked, once they have ended."""
    told = here.folder / "asked"
    arguments = ("tests.bench.emulating", str(answers), str(seconds), str(told))
    async with running(here, arguments, {"QL_MODELS": "openai/bench", "OPENAI_API_KEY": KEY}, routers):
        yield told


def reaching(provider: OwnProvider) -> dict[str, str]:
    """What a router's environment holds to reach it."""
    return {"QL_MODELS": f"openai/bench@{provider.url}/v1", "OPENAI_API_KEY": KEY}


@asynccontextmanager
async def running(
    here: Place, module: Sequence[str], environment: dict[str, str], routers: int = 1
) -> AsyncIterator[None]:
    """So many router processes, the first of which hears questions."""
    command = tied([sys.executable, "-m", *module])
    environment = here.environment() | environment
    started = [await asyncio.create_subprocess_exec(*command, env=environment) for _ in range(routers)]
    try:
        await _answering(here.servers.nats, routers)
        yield
    finally:
        for router in started:
            router.terminate()
        for router in started:
            await router.wait()


async def _answering(url: str, routers: int) -> None:
    """One of them answers, and each other one has had a second more: which ones hear can't be told from outside."""
    nc = await nats.connect(url)
    try:
        async with asyncio.timeout(STARTED_S * routers):
            while not await _answers(nc):  # noqa: ASYNC110  a router that is not there can't tell
                await asyncio.sleep(0.1)
            await asyncio.sleep(routers - 1)
    finally:
        await nc.close()


async def _answers(nc: Client) -> bool:
    try:
        await nc.request(MODELS, b"", timeout=1)
    except nats.errors.Error:
        return False
    return True
