"""A router that is stopped in the middle of a long call: it ends in time, and what it cut off is noted and paid."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import nats
import pytest
from nats.aio.client import Client

from tests.providers.server import KEY
from tests.servers import Database
from tests.workers.llm_router.serving import Counting, chain, question, service
from tests.workers.llm_router.test_service_bus import until_up
from workers.kit.llm.wire import COMPLETE, EMBED, Answer, Embed, Problem
from workers.kit.settings import Settings
from workers.kit.stores.calls import Call, Spent
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.pg import close_pool, open_pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.llm_router import app
from workers.llm_router.models import Model, read_chains
from workers.llm_router.said import Failed, Vectors
from workers.llm_router.service import Service

GRACE_S, MODEL_S = 0.2, 60


@asynccontextmanager
async def router(folder: Path, nats_url: str, database: Database) -> AsyncIterator[Process]:
    """The product's own with slow models in it."""
    answers = folder / "answers"
    answers.write_text(json.dumps({"t": "an answer"}))
    argv = (sys.executable, "-m", "tests.bench.emulating", str(answers), str(MODEL_S), str(folder / "told"))
    settings = {"QL_NATS_URL": nats_url, "QL_DATABASE_URL": database.worker, "QL_GRACE_S": str(GRACE_S)}
    environ = {**os.environ, **settings, "QL_MODELS": "openai/a", "OPENAI_API_KEY": KEY}
    process = await asyncio.create_subprocess_exec(*argv, env=environ)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_it_runs(ledger: asyncpg.Connection[asyncpg.Record]) -> None:
    async with asyncio.timeout(20):
        while not await ledger.fetchval("SELECT count(*) FROM calls_running"):  # noqa: ASYNC110  a table can't tell
            await asyncio.sleep(0.02)


async def test_what_a_stopped_router_cuts_off_is_noted_and_paid_and_its_asker_told(
    tmp_path: Path, nats_url: str, database: Database
) -> None:
    nc, ledger = await nats.connect(nats_url), await asyncpg.connect(database.admin)
    try:
        async with router(tmp_path, nats_url, database) as process:
            await until_up(nc)
            asking = asyncio.create_task(asked(nc))
            await until_it_runs(ledger)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10) == 0
        problem = await asking
        assert isinstance(problem, Problem)
        assert problem.kind == "transient"
        (used,) = await ledger.fetch("SELECT outcome, code, tokens_in, cost FROM usage")
        assert (used["outcome"], used["code"]) == ("failed", "given_up")
        assert (used["tokens_in"] > 0, used["cost"] > 0) == (True, True)
        assert await ledger.fetchval("SELECT count(*) FROM calls_running") == 0
    finally:
        await ledger.close()
        await nc.close()


async def asked(nc: Client) -> Answer | Problem:
    """What is told in the end, after the signs of life."""
    inbox = nc.new_inbox()
    told = await nc.subscribe(inbox)
    await nc.publish(COMPLETE, msgspec.json.encode(question("write a long book")), reply=inbox)
    while b'"working"' in (body := (await told.next_msg(timeout=30)).data):
        pass
    return msgspec.json.decode(body, type=Answer | Problem)


class Slow(Counting):
    """Vectors take as long as answers."""

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        await self.complete(model, question(), None, last=True)
        return await super().embed(model, texts)


async def test_texts_that_wait_for_vectors_are_cut_off_too_and_noted(nats_url: str) -> None:
    ledger, provider = MemoryLedger(), Slow(seconds=MODEL_S)
    answering = Service(read_chains("openai/a"), chain(provider), ledger, embeddings=Model(name="openai/e"))
    serving = app.app(app.connection(Settings(nats_url=nats_url, grace_s=GRACE_S)), answering)
    await serving.start()
    nc = await nats.connect(nats_url)
    try:
        body = msgspec.json.encode(Embed(tenant="default", texts=("a",)))
        asking = asyncio.create_task(nc.request(EMBED, body, timeout=20))
        while not provider.calls:  # noqa: ASYNC110  the provider can't tell
            await asyncio.sleep(0.01)
        await serving.stop()
        assert [(used.call.task, used.spent.outcome, used.spent.code) for used in ledger.used] == [
            ("embed", "failed", "given_up")
        ]
        asking.cancel()
    finally:
        await nc.close()


async def test_a_router_that_has_cut_off_its_calls_begins_none() -> None:
    """Not for the question that came meanwhile, nor for who waited for the answer of the one that was cut off."""
    provider = Counting(seconds=MODEL_S)
    answering = service(provider)
    asking = [asyncio.create_task(answering.answer(question(workflow=name))) for name in ("w1", "w2")]
    while not provider.calls:  # noqa: ASYNC110  the provider can't tell
        await asyncio.sleep(0.01)
    await answering.end(5)
    async with asyncio.timeout(5):
        told = [*await asyncio.gather(*asking), await answering.answer(question("another"))]
    assert [isinstance(one, Problem) and one.kind for one in told] == ["transient"] * 3
    assert provider.calls == 1


async def test_who_can_t_tell_a_pool_that_is_closed_how_a_call_ended_says_it_no_more(database: Database) -> None:
    pool = await open_pool(database.worker, 1)
    await close_pool(pool)
    call = Call(tenant="default", workflow="w", stage="s", task="t", question="00" * 32)
    async with asyncio.timeout(5):
        with pytest.raises(StoreDown):
            await PgLedger(pool).note(call, "token", Spent(outcome="failed"))
