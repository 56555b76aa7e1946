"""Models' health on a real bus: two routers, the keeper's bucket, and a bus that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest

from deploy.local.stack import NATS, Stack
from workers.keeper.provision import HEALTH_STREAM, make_stream
from workers.kit.settings import Settings
from workers.llm_router import bucket
from workers.llm_router.app import connection
from workers.llm_router.breaker import Breaker, Fault
from workers.llm_router.bucket import Bucket

MODEL = "openai/x@http://127.0.0.1:9/v1"
FAULT = Fault(error="500: oops")


@asynccontextmanager
async def router(nats_url: str, pause_s: float = 0.2) -> AsyncIterator[Breaker]:
    broker = connection(Settings(nats_url=nats_url, grace_s=1))
    breaker = Breaker(Bucket(broker), pause_s=pause_s)
    await broker.start()
    await breaker.learn(MODEL)
    try:
        yield breaker
    finally:
        async with asyncio.timeout(10):
            while not await broker.ping(1):  # noqa: ASYNC110  one that waits for its server can't be drained
                await asyncio.sleep(0.05)
        await broker.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  what comes over the bus sets no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def bus(nats_url: str) -> str:
    nc = await nats.connect(nats_url)
    await make_stream(nc, HEALTH_STREAM)
    await make_stream(nc, HEALTH_STREAM)
    await nc.close()
    return nats_url


async def test_what_one_router_learns_every_other_one_knows_also_one_that_comes_later(bus: str) -> None:
    async with router(bus, pause_s=60) as one, router(bus) as two:
        for _ in range(3):
            await one.failed(MODEL, FAULT)
        await until(lambda: two.health(MODEL).state == "open")
        assert not await two.admits(MODEL)
        async with router(bus) as later:
            assert not await later.admits(MODEL)
            assert later.health(MODEL).error == FAULT.error


async def test_one_router_s_write_wins_the_probe_and_its_answer_closes_it_for_all(bus: str) -> None:
    async with router(bus) as one, router(bus) as two:
        await one.failed(MODEL, Fault(error="429", pause_s=0.1))
        await until(lambda: two.health(MODEL).state == "open")
        await until(lambda: two.wait_s(MODEL) == 0)
        admitted = await asyncio.gather(*(breaker.admits(MODEL) for breaker in (one, two) * 4))
        assert sum(admitted) == 1
        await two.works(MODEL)
        await until(lambda: one.health(MODEL).state == "closed")
        assert await one.admits(MODEL)


async def test_a_router_that_missed_the_news_learns_them_when_its_write_is_refused(bus: str) -> None:
    async with router(bus) as one:
        async with router(bus, pause_s=60) as two:
            for _ in range(3):
                await two.failed(MODEL, FAULT)
            await until(lambda: one.health(MODEL).state == "open")
        one._shared._values.clear()  # type: ignore[attr-defined]
        assert await one.admits(MODEL)
        await one.failed(MODEL, FAULT)
        assert one.health(MODEL).failures == 3
        assert not await one.admits(MODEL)


async def test_a_bucket_that_takes_no_write_keeps_no_model_out(bus: str) -> None:
    """Its stream is full: that is no news of another router's."""
    nc = await nats.connect(bus)
    try:
        async with router(bus) as one:
            await one.failed(MODEL, Fault(error="429", pause_s=0.05))
            info = await nc.jetstream().stream_info(str(HEALTH_STREAM["name"]))
            full = info.config.evolve(max_msg_size=1)
            await nc.jetstream().update_stream(full)
            await until(lambda: one.wait_s(MODEL) == 0)
            assert await one.admits(MODEL)
            await one.works(MODEL)
            assert await one.admits(MODEL)
            await nc.jetstream().update_stream(info.config)
            await one._shared.read(next(iter(one._shared._values)))  # type: ignore[attr-defined]
            assert one.health(MODEL).state == "open"
    finally:
        await nc.close()


async def test_without_the_bucket_or_the_bus_a_router_goes_by_what_it_saw_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "TIMEOUT_S", 0.2)
    async with Stack(tmp_path / "nats", frozenset({NATS})) as own, router(own.urls.nats, pause_s=60) as alone:
        await alone.failed(MODEL, FAULT)  # there is no bucket: nobody has provisioned one
        await own.stop(NATS)
        for _ in range(2):
            await alone.failed(MODEL, FAULT)
        assert not await alone.admits(MODEL)
        await own.start(NATS)
