"""The router in this process, with models that are slow or say too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats
import pytest
from msgspec.structs import replace

from tests.kit.llm.asking import Pair, run
from tests.workers.llm_router.serving import Counting, question, service
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import ByReference
from workers.kit.settings import Settings
from workers.kit.stage import Permanent, Transient
from workers.llm_router import app
from workers.llm_router.said import Completion


@asynccontextmanager
async def asked(nats_url: str, provider: Counting, silence_s: float = 0.5) -> AsyncIterator[LlmClient]:
    settings = Settings(nats_url=nats_url, llm_silence_s=silence_s, grace_s=1)
    serving = app.app(app.connection(settings), service(provider))
    await serving.start()
    nc = await nats.connect(nats_url)
    try:
        yield LlmClient(nc, settings)
    finally:
        await nc.close()
        await serving.stop()


def slow(text: str, seconds: float) -> Counting:
    return Counting(Completion(text=text), seconds=seconds)


async def pair(llm: LlmClient) -> Pair:
    return await llm.complete(run(), task="frd_generation", inputs={"a": 1}, into=Pair)


async def test_a_slow_model_is_waited_for_as_long_as_the_router_lives(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ALIVE_S", 0.1)
    async with asked(nats_url, slow('{"left": 1}', 1.5)) as llm:
        assert await pair(llm) == Pair(left=1)


async def test_a_silent_router_is_given_up_and_its_answer_found_later(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ALIVE_S", 60)
    async with asked(nats_url, slow('{"left": 1}', 0.8)) as llm:
        with pytest.raises(Transient, match="silent for"):
            await pair(llm)
        assert await pair(llm) == Pair(left=1)


async def test_an_answer_too_large_for_the_bus_is_told_as_such(nats_url: str) -> None:
    async with asked(nats_url, slow(f'{{"left": 1, "right": "{"x" * 2_000_000}"}}', 0)) as llm:
        with pytest.raises(Permanent, match="more than the bus carries, and no S3 is set"):
            await pair(llm)


async def test_large_questions_are_held_only_as_many_as_fit() -> None:
    room, held, most = app.Room(10), 0, 0

    async def hold(size: int) -> None:
        nonlocal held, most
        async with room.of(size):
            held += size
            most = max(most, held)
            await asyncio.sleep(0.001)
            held -= size

    await asyncio.gather(*(hold(size) for size in (6, 10, 3, 4, 4, 10, 1, 0)))
    assert most == 10


def test_only_the_length_of_a_question_from_elsewhere_takes_room() -> None:
    far = ByReference(key="a", sha256="b", length=5_000_000)
    too_far = replace(far, length=app.MOST_BYTES + 1)
    bodies = (*map(msgspec.json.encode, (far, too_far, question())), b"{", b"\xff")
    assert [app._referred(body) for body in bodies] == [5_000_000, 0, 0, 0, 0]
