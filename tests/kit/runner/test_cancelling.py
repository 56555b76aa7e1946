"""What a cancelled workflow was doing ends at once: a sandbox's processes, and a call to a model, at the provider too.

The heartbeat is a minute, so that only the nudge can have done it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from contracts import subjects
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES, Draft, Verdict
from tests.kit.runner.test_stopping import nudged, row_of, until
from tests.kit.sandbox.conftest import data as data
from tests.kit.sandbox.conftest import sandbox as sandbox
from tests.kit.sandbox.test_bubblewrap import strangers
from tests.workers.llm_router.serving import CENT, Counting, chain, question
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import Answer
from workers.kit.ports import Command, Sandbox
from workers.kit.settings import Settings
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.pg import open_pool
from workers.kit.stores.pg.ended import has_ended
from workers.llm_router.app import app, connection
from workers.llm_router.leaving import heed
from workers.llm_router.models import Model, read_chains
from workers.llm_router.said import Said, Tell
from workers.llm_router.service import Service


class Slow(Counting):
    """A provider that takes a minute, and notices that its caller hangs up."""

    def __init__(self) -> None:
        super().__init__(seconds=60, facts=CENT)
        self.left = 0

    async def complete(self, model: Model, question: object, tell: Tell | None, *, last: bool) -> Said:
        try:
            return await super().complete(model, question, tell, last=last)  # type: ignore[arg-type]
        except asyncio.CancelledError:
            self.left += 1
            raise


@asynccontextmanager
async def router(servers: Servers, provider: Counting) -> AsyncIterator[Service]:
    """A real one on the bus and the store; only its provider is the test's."""
    pool = await open_pool(servers.worker, 1)
    service = Service(read_chains("openai/x"), chain(provider), MemoryLedger())
    broker = connection(Settings(nats_url=servers.nats))
    heed(broker, service, partial(has_ended, pool))
    running = app(broker, service)
    await running.start()
    yield service
    await running.stop()
    await pool.close()


async def cancelled(running: Pipeline, workflow: str) -> None:
    """As the gateway does it."""
    done = await running.reads.cancel(TENANT, workflow, reason="enough")
    assert done is not None
    assert done.done
    await running.nc.publish(subjects.cancel(TENANT, workflow))


def checks(work: Callable[[str], Awaitable[object]]) -> dict[str, object]:
    async def check(draft: Draft) -> Verdict:
        await work("")
        raise AssertionError("it went on")

    return {**STAGES, "check": check}


async def test_a_running_sandbox_ends_with_its_workflow(servers: Servers, sandbox: Sandbox) -> None:
    async def work(_: str) -> object:
        return await sandbox.run([], [Command(argv=("sleep", "60"))])

    async with pipeline(servers, SMALL, checks(work), heartbeat_s=60, sweeps=False) as running, nudged(running):
        workflow = await running.submit("p")
        await until(lambda: len(strangers()) >= 3)
        await cancelled(running, workflow)
        await until(lambda: strangers() == [], within_s=5)
        await until(lambda: running.done("stopped"))
        assert (await row_of(running, workflow, "check")).state == "closed"


async def test_a_call_to_a_model_is_cut_off_with_its_workflow(servers: Servers) -> None:
    provider = Slow()
    async with router(servers, provider):
        asked: list[str] = []

        async def work(_: str) -> None:
            await client.ask(question(workflow=asked[0]))
            await asyncio.sleep(60)  # the router may be the quicker one

        async with pipeline(servers, SMALL, checks(work), heartbeat_s=60, sweeps=False) as running, nudged(running):
            client = LlmClient(running.nc, running.servers.settings())
            asked.append(await running.submit("p"))
            await until(lambda: provider.calls == 1)
            await running.nc.publish(subjects.cancel(TENANT, asked[0]))  # which the store does not confirm
            await asyncio.sleep(0.3)
            assert (provider.left, running.done("stopped")) == (0, 0)
            await cancelled(running, asked[0])
            await until(lambda: provider.left == 1, within_s=5)
            await until(lambda: running.done("stopped"))
            assert (await row_of(running, asked[0], "check")).state == "closed"


async def test_a_call_for_which_another_workflow_waits_goes_on() -> None:
    provider = Slow()
    service = Service(read_chains("openai/x"), chain(provider), MemoryLedger())
    one, two = (asyncio.create_task(service.answer(question(workflow=name))) for name in ("w1", "w2"))
    await until(lambda: provider.calls == 1)
    service.leave("other", "w1")
    service.leave(TENANT, "w1")
    await asyncio.sleep(0)
    assert (provider.left, service.asks_for(TENANT, "w1"), service.asks_for(TENANT, "w2")) == (0, False, True)
    service.leave(TENANT, "w2")
    replies = await asyncio.wait_for(asyncio.gather(one, two), 5)
    assert provider.left == 1
    assert {getattr(reply, "kind", "") for reply in replies} == {"transient"}
    provider._seconds = 0
    assert isinstance(await service.answer(question(workflow="w3")), Answer)
