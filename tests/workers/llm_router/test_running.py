"""Questions side by side: so many at once, and a router that stops answers what it has begun, and only that."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
import nats
from nats.aio.client import Client
from nats.errors import NoRespondersError

from tests.workers.llm_router.serving import Counting, question, service
from workers.kit.llm.wire import COMPLETE, MODELS, Answer, Problem, Question
from workers.kit.settings import Settings
from workers.llm_router import app
from workers.llm_router.running import Running
from workers.llm_router.said import Completion


def _body(asked: Question) -> bytes:
    return msgspec.json.encode(asked)


async def _others(nc: Client) -> int:
    """How many questions were answered until there was nobody to ask."""
    for n in itertools.count():
        try:
            await nc.request(COMPLETE, b"", timeout=5)
        except NoRespondersError:
            return n
    raise AssertionError


async def test_a_router_that_stops_answers_what_it_has_begun_and_takes_nothing_more(nats_url: str) -> None:
    provider = Counting(Completion(text="said"), seconds=0.6)
    serving = app.app(app.connection(Settings(nats_url=nats_url, grace_s=5)), service(provider))
    await serving.start()
    nc = await nats.connect(nats_url)
    try:
        begun = asyncio.create_task(nc.request(COMPLETE, _body(question("first")), timeout=5))
        while not provider.calls:  # noqa: ASYNC110  the provider can't tell
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(serving.stop())
        assert await _others(nc) < 1000
        assert not begun.done()
        await nc.request(MODELS, b"", timeout=5)  # it still lives
        assert msgspec.json.decode((await begun).data, type=Answer | Problem).text == "said"
        await stopping
    finally:
        await nc.close()


async def test_no_more_than_so_many_run_and_a_fault_frees_its_place() -> None:
    running, most, now, go = Running(2), 0, 0, asyncio.Event()

    async def work(n: int) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await go.wait()
        now -= 1
        if n % 2:
            raise ValueError

    async def all_of_them() -> None:
        for n in range(8):
            await running.begin(work(n))

    beginning = asyncio.create_task(all_of_them())
    await asyncio.sleep(0.01)
    assert (now, beginning.done()) == (2, False)
    go.set()
    await beginning
    await running.end(5)
    assert (now, most) == (0, 2)
