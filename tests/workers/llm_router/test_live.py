"""Tokens as they come: what a watcher of the workflow sees, and how often."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import msgspec
import nats
import pytest
from msgspec.structs import replace
from nats.aio.msg import Msg

from contracts import subjects
from tests.workers.llm_router.serving import Counting, question
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import Answer, Question
from workers.kit.settings import Settings
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router.app import _SignsOfLife, app, connection
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.live import EVERY_S, MOST_CHARS, WATCHED_S, Live, listen
from workers.llm_router.models import Model, read_chains
from workers.llm_router.providers import Blueprint
from workers.llm_router.said import Completion, Said, Tell
from workers.llm_router.service import Service

MODEL = Model(name="openai/x")


class Told:
    """What was published, and a clock of the test's own."""

    def __init__(self, streams: int = 2) -> None:
        self.now = 0.0
        self.messages: list[tuple[str, dict[str, object]]] = []
        self.live = Live(self._publish, streams, now=lambda: self.now)
        for workflow in ("w1", "w2"):
            self.live.watched("default", workflow)

    async def _publish(self, subject: str, body: bytes) -> None:
        self.messages.append((subject, msgspec.json.decode(body)))

    async def texts(self) -> Sequence[object]:
        await asyncio.sleep(0)
        return [message["text"] for _, message in self.messages]


async def test_at_most_four_a_second_a_workflow_and_nothing_is_lost_on_the_way() -> None:
    told = Told()
    with told.live.writing(question(), MODEL) as one, told.live.writing(question(), MODEL) as two:
        assert one is not None
        assert two is not None
        for letter in "abcdefghij":
            one(letter)
            two(letter.upper())
            told.now += EVERY_S / 5
    assert await told.texts() == ["a", "bcdef"]
    assert told.messages[1] == (
        "ql.live.default.w1.s",
        {"stage": "s", "revision": 1, "state": "writing", "task": "t", "model": "openai/x", "tokens": 1, "at": 1}
        | {"text": "bcdef"},
    )


async def test_workflows_do_not_wait_for_each_other() -> None:
    told = Told()
    for workflow in ("w1", "w2"):
        with told.live.writing(question(workflow=workflow), MODEL) as tell:
            assert tell is not None
            tell(workflow)
    assert await told.texts() == ["w1", "w2"]


async def test_what_nobody_watches_comes_whole() -> None:
    told = Told()
    with told.live.writing(question(workflow="w3"), MODEL) as other:
        assert other is None
    with told.live.writing(question(tenant="other"), MODEL) as elsewhere:
        assert elsewhere is None
    told.now = WATCHED_S
    with told.live.writing(question(), MODEL) as late:
        assert late is None
    told.live.watched("default", "w1")
    with told.live.writing(question(), MODEL) as again:
        assert again is not None


async def test_beyond_so_many_streams_answers_come_whole() -> None:
    told = Told(streams=1)
    with told.live.writing(question(), MODEL) as first, told.live.writing(question(), MODEL) as second:
        assert (first is None, second is None) == (False, True)
    with told.live.writing(question(), MODEL) as third:
        assert third is not None


async def test_a_message_is_never_too_large_for_the_bus() -> None:
    told = Told()
    with told.live.writing(question(), MODEL) as tell:
        assert tell is not None
        for _ in range(2):
            tell("\ud800" + "x" * MOST_CHARS)
            told.now += 1
    assert [len(str(text)) for text in await told.texts()] == [MOST_CHARS, MOST_CHARS]


async def test_a_bus_that_is_away_harms_no_answer() -> None:
    async def away(subject: str, body: bytes) -> None:
        raise OSError("no route")

    live = Live(away, 1)
    live.watched("default", "w1")
    with live.writing(question(), MODEL) as tell:
        assert tell is not None
        tell("a")
        await asyncio.sleep(0)


class Dripping(Counting):
    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        for word in ("one ", "two ", "three"):
            if tell is not None:
                tell(word)
            await asyncio.sleep(EVERY_S)
        return Completion(text="one two three")


@pytest.mark.parametrize(("watched", "streams"), [("w1", 1), ("w1", 0), ("w2", 1)])
async def test_a_watcher_on_the_bus_sees_the_text_grow(nats_url: str, watched: str, streams: int) -> None:
    settings = Settings(nats_url=nats_url, grace_s=1)
    broker = connection(settings)

    async def publish(subject: str, body: bytes) -> None:
        await broker.publish(body, subject)

    live = Live(publish, streams)
    listen(broker, live)
    chain = Chain(Blueprint(), Dripping(), Breaker(Alone()), live)
    serving = app(broker, Service(read_chains("openai/x"), chain, MemoryLedger()))
    nc = await nats.connect(nats_url)
    seen: list[dict[str, object]] = []

    async def see(message: Msg) -> None:
        seen.append(msgspec.json.decode(message.data))

    await nc.subscribe("ql.live.default.w1.>", cb=see)
    await serving.start()
    try:
        await (await broker.connect()).flush()  # it is subscribed
        await nc.publish(subjects.watched("default", watched))
        await nc.flush()
        await (await broker.connect()).flush()  # it has heard that
        answer = await LlmClient(nc, settings).ask(replace(question(), stage="frd_generation"))
        assert isinstance(answer, Answer)
        await nc.flush()
    finally:
        await nc.close()
        await serving.stop()
    assert answer.text.startswith("".join(str(news["text"]) for news in seen))
    assert len(seen) == (3 if streams and watched == "w1" else 0)


async def test_a_sign_of_life_that_can_not_be_sent_is_nobody_s_error(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[dict[str, object]] = []
    tried: asyncio.Queue[bytes] = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, error: heard.append(error))
    monkeypatch.setattr("workers.llm_router.app.ALIVE_S", 0.001)

    async def say(sign: bytes) -> None:
        tried.put_nowait(sign)
        raise BrokenPipeError("the server is away")

    with _SignsOfLife(say):
        first, second = await tried.get(), await tried.get()  # one that failed is no reason to say no more
        gc.collect()  # tells of an error that nobody asked for
    assert (first, heard) == (second, [])
