"""The client on a real bus: what is too large for it goes by way of S3, and nobody is believed who points elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from deploy.local.stack import Stack
from tests.workers.llm_router.serving import Counting, service
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import COMPLETE, MAX_REPLY_BYTES, Answer, ByReference, Message, Problem, Question
from workers.kit.settings import Settings
from workers.kit.stage import Permanent, Transient
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.keys import artifact_key
from workers.llm_router.app import app, connection
from workers.llm_router.said import Completion

from .asking import Pair, run

LONG = "ä" * MAX_REPLY_BYTES


def question(content: str = "write") -> Question:
    messages = (Message(role="user", content=content),)
    return Question(tenant="default", workflow="w", stage="s", revision=1, task="t", messages=messages)


@pytest.fixture
def settings(nats_url: str, stack: Stack, bucket: str) -> Settings:
    return Settings(nats_url=nats_url, s3_url=stack.urls.s3, s3_bucket=bucket, llm_silence_s=5)


@pytest.fixture
async def nc(nats_url: str) -> AsyncIterator[Client]:
    client = await nats.connect(nats_url)
    yield client
    await client.close()


@asynccontextmanager
async def router(settings: Settings, provider: Counting) -> AsyncIterator[None]:
    objects = S3Artifacts(settings.s3_url, settings.s3_bucket)
    application = app(connection(settings), service(provider), objects)
    await application.start()
    try:
        yield
    finally:
        await application.stop()


async def test_large_questions_and_large_answers_arrive(nc: Client, settings: Settings) -> None:
    provider = Counting(Completion(text=LONG))
    async with router(settings, provider):
        answer = await LlmClient(nc, settings).ask(question(LONG))
        again = await LlmClient(nc, settings).ask(question(LONG))
    assert isinstance(answer, Answer)
    assert isinstance(again, Answer)
    assert answer.text == again.text == LONG
    assert (answer.known, again.known, provider.calls) == (False, True, 1)


async def test_without_s3_a_large_question_is_refused_in_a_sentence(nc: Client) -> None:
    with pytest.raises(Permanent, match=r"the question for t is \d+ KiB, more than the 900 KiB .* no S3 is set"):
        await LlmClient(nc, Settings()).ask(question(LONG))


@asynccontextmanager
async def saying(nc: Client, reply: Callable[[], bytes]) -> AsyncIterator[None]:
    async def say(message: Msg) -> None:
        await message.respond(reply())

    subscription = await nc.subscribe(COMPLETE, cb=say)
    try:
        yield
    finally:
        await subscription.unsubscribe()


BODY = msgspec.json.encode(Answer(text="secret", model="m", question="q"))
DIGEST = sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"key": artifact_key("other", DIGEST)}, Permanent),
        ({"key": f"capsules/default/{DIGEST}"}, Permanent),
        ({"length": 1 << 30}, Permanent),
        ({"length": len(BODY) - 1}, Transient),
        ({"sha256": "0" * 64, "key": artifact_key("default", "0" * 64)}, Transient),
    ],
    ids=["another tenant", "elsewhere", "huge", "short", "missing"],
)
async def test_a_place_that_is_not_the_answers_is_not_read(
    nc: Client, settings: Settings, change: Mapping[str, object], error: type[Exception]
) -> None:
    objects = S3Artifacts(settings.s3_url, settings.s3_bucket)
    for tenant in ("default", "other"):
        await objects.put(tenant, BODY, key=artifact_key(tenant, DIGEST))
    at = ByReference(key=artifact_key("default", DIGEST), sha256=DIGEST, length=len(BODY))
    llm = LlmClient(nc, settings)
    async with saying(nc, lambda: msgspec.json.encode(at)):
        assert await llm.ask(question()) == Answer(text="secret", model="m", question="q")
    wrong = msgspec.structs.replace(at, **change)
    async with saying(nc, lambda: msgspec.json.encode(wrong)):
        with pytest.raises(error, match="can't be fetched"):
            await llm.ask(question())


async def test_a_strict_process_says_so_in_every_question(nc: Client) -> None:
    heard: asyncio.Queue[Question] = asyncio.Queue()

    async def refuse(message: Msg) -> None:
        heard.put_nowait(msgspec.json.decode(message.data, type=Question))
        problem = Problem(kind="permanent", message="question 3 of 7 is not in the ledger", code="not_in_ledger")
        await message.respond(msgspec.json.encode(problem))

    await nc.subscribe(COMPLETE, cb=refuse)

    for strict in (True, False):
        llm = LlmClient(nc, Settings(llm_strict=strict))
        with pytest.raises(Permanent, match="question 3 of 7 is not in the ledger"):
            await llm.complete(run(), task="frd_generation", inputs={}, into=Pair)
        assert heard.get_nowait().strict is strict
