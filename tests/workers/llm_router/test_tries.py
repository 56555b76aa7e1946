"""How often a workflow asks a provider that only fails: attempts of the bus, the dialogue, the chain, its tries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest

from contracts.artifacts import Brief
from contracts.topology import Stage, Topology
from deploy.local.stack import Stack
from tests.flow.noop import Pipeline, Servers, pipeline
from tests.providers.calling import LITELLM_WARNS
from tests.providers.plan import Plan
from tests.providers.server import Provider
from tests.servers import Database
from tests.workers.llm_router.serving import Unwatched
from tests.workers.llm_router.test_chat import chat
from workers.kit.llm import LlmClient
from workers.kit.ports import Llm
from workers.kit.settings import Settings
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router import app
from workers.llm_router import chain as chains
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.models import read_chains
from workers.llm_router.providers import Blueprint
from workers.llm_router.service import Service
from workers.prompt_enhancement.stage import PromptEnhancement

pytestmark = [*LITELLM_WARNS, pytest.mark.usefixtures("quick")]
ATTEMPTS = Settings().attempts
MODELS, TRIES = 2, 2


@asynccontextmanager
async def factory(servers: Servers, fake: Provider) -> AsyncIterator[Pipeline]:
    """One stage that asks a router, whose two models are one provider's."""
    read = read_chains(f"openai/a@{fake.url}/v1,openai/b@{fake.url}/v1")
    asking = Chain(Blueprint(), chat(*read.all), Breaker(Alone(), pause_s=0.001), Unwatched())
    settings = servers.settings(grace_s=1)
    router = app.app(app.connection(settings), Service(read, asking, MemoryLedger()))
    topology = Topology([Stage(name="prompt_enhancement", needs=(), produces=Brief)])
    await router.start()
    nc = await nats.connect(servers.nats)
    try:
        llm = LlmClient(nc, settings)
        stages = {"prompt_enhancement": PromptEnhancement}
        async with pipeline(servers, topology, stages, given={Llm: llm}, sweep_s=0.05) as running:
            yield running
    finally:
        await nc.close()
        await router.stop()


async def test_a_workflow_asks_a_provider_that_only_fails_so_often_and_then_ends(
    stack: Stack, database: Database, bucket: str, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "RETRY_S", 0.02)
    where = Servers(nats=nats_url, worker=database.worker, gateway=database.gateway, s3=stack.urls.s3, bucket=bucket)
    async with Provider() as fake, factory(where, fake) as running:
        for planned, least, most in (
            ("500", ATTEMPTS, ATTEMPTS * MODELS * TRIES),  # fewer, where a model is left out
            ("wrong_schema", 2 * MODELS, 2 * MODELS),  # what was answered is not asked for again by a further attempt
            ("length", 2 * 4 * MODELS, 2 * 4 * MODELS),
        ):
            fake.calls.clear()
            fake.plan(Plan(always={"*": planned}))
            workflow = await running.submit(f"Write a REST API for books that are {planned}")
            assert await running.end(workflow) == "failed"
            assert least <= len(fake.calls) <= most, planned
