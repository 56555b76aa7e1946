"""Two router processes, which know of each other by the database alone: a limit is theirs together."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import nats
import nats.errors
from msgspec.structs import replace
from nats.aio.client import Client

from deploy.local.stack import NATS, Stack
from tests.providers.server import KEY
from tests.servers import Database
from tests.workers.llm_router.serving import question
from workers.kit.llm.wire import COMPLETE, MODELS, Answer, Embedded, Problem

LIMITS = {"QL_MODEL_LIMITS": "openai=9rpm", "QL_TENANT_CALLS_MINUTE": "7"}


@asynccontextmanager
async def router(folder: Path, database: Database) -> AsyncIterator[Client]:
    """The product's own with a model in it, on a bus of its own."""
    folder.mkdir()
    answers = folder / "answers"
    answers.write_text('{"t": "an answer"}')
    argv = (sys.executable, "-m", "tests.bench.emulating", str(answers), "0", str(folder / "told"))
    async with Stack(folder / "nats", frozenset({NATS})) as own:
        settings = {"QL_NATS_URL": own.urls.nats, "QL_DATABASE_URL": database.worker, "QL_MODELS": "openai/a"}
        environ = {**os.environ, **settings, **LIMITS, "OPENAI_API_KEY": KEY}
        process = await asyncio.create_subprocess_exec(*argv, env=environ)
        nc = await nats.connect(own.urls.nats)
        try:
            async with asyncio.timeout(60):
                while not await _answers(nc):  # noqa: ASYNC110  a router that is not there can't tell
                    await asyncio.sleep(0.05)
            yield nc
        finally:
            await nc.close()
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


async def _answers(nc: Client) -> bool:
    try:
        await nc.request(MODELS, b"", timeout=5)
    except nats.errors.NoRespondersError:
        return False
    return True


async def asked(nc: Client, tenant: str, name: str) -> str:
    """What became of it: `answered`, or the problem's code."""
    one = replace(question(f"{tenant} {name}", tenant=tenant), workflow=name)
    reply = await nc.request(COMPLETE, msgspec.json.encode(one), timeout=30)
    told = msgspec.json.decode(reply.data, type=Answer | Embedded | Problem)
    return told.code if isinstance(told, Problem) else "answered"


async def test_limits_of_a_tenant_and_of_a_provider_hold_for_all_routers_together(
    tmp_path: Path, database: Database
) -> None:
    async with router(tmp_path / "a", database) as one, router(tmp_path / "b", database) as two:
        for tenant, told in (
            ("t1", {"answered": 7, "rate_limited": 5}),
            ("t2", {"answered": 2, "no_model": 5, "rate_limited": 5}),  # of nine, the provider has two left
        ):
            asking = [asked(nc, tenant, f"{name}-{n}") for n in range(6) for name, nc in (("a", one), ("b", two))]
            assert Counter(await asyncio.gather(*asking)) == told
    calls = [len((tmp_path / name / "told").read_text().splitlines()) for name in ("a", "b")]
    assert sum(calls) == 9
    assert min(calls) > 0
