"""What is larger than the bus takes lies in S3: checked by its hash, and only below its tenant's prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import msgspec
import nats
import pytest
from nats.aio.client import Client

from contracts.events import Ref
from deploy.local.stack import Stack
from tests.workers.llm_router.serving import Counting, question, service
from workers.kit.llm.wire import (
    COMPLETE,
    MAX_QUESTION_BYTES,
    MAX_REPLY_BYTES,
    Answer,
    ByReference,
    Carried,
    Problem,
    Question,
)
from workers.kit.settings import Settings
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.keys import artifact_key
from workers.llm_router.app import app, connection
from workers.llm_router.said import Completion

LONG = "x" * (2 * MAX_REPLY_BYTES)


@pytest.fixture
def objects(stack: Stack, bucket: str) -> S3Artifacts:
    return S3Artifacts(stack.urls.s3, bucket)


@asynccontextmanager
async def asked(nats_url: str, provider: Counting, objects: S3Artifacts | None) -> AsyncIterator[Client]:
    serving = app(connection(Settings(nats_url=nats_url, grace_s=1)), service(provider), objects)
    await serving.start()
    nc = await nats.connect(nats_url)
    try:
        yield nc
    finally:
        await nc.close()
        await serving.stop()


async def told(nc: Client, body: Question | ByReference) -> Answer | Problem | ByReference:
    reply = await nc.request(COMPLETE, msgspec.json.encode(body), timeout=10)
    carried: Carried = msgspec.json.decode(reply.data, type=Carried)
    assert isinstance(carried, Answer | Problem | ByReference)
    return carried


async def put(objects: S3Artifacts, tenant: str, asked: Question) -> ByReference:
    body = msgspec.json.encode(asked)
    ref = await objects.put(tenant, body, key=artifact_key(tenant, sha256(body).hexdigest()))
    return ByReference(key=ref.key, sha256=ref.sha256, length=ref.length)


async def test_a_long_question_and_a_long_answer_go_by_reference(nats_url: str, objects: S3Artifacts) -> None:
    long = question("q" * (2 * MAX_QUESTION_BYTES))
    async with asked(nats_url, Counting(Completion(text=LONG)), objects) as nc:
        reply = await told(nc, await put(objects, "default", long))
    assert isinstance(reply, ByReference)
    assert reply.key == artifact_key("default", reply.sha256)
    ref = Ref(key=reply.key, offset=0, length=reply.length, sha256=reply.sha256)
    body = b"".join([chunk async for chunk in objects.chunks(ref)])
    answer = msgspec.json.decode(body, type=Answer)
    assert answer.text == LONG


async def test_another_tenant_s_question_is_not_answered(nats_url: str, objects: S3Artifacts) -> None:
    provider = Counting()
    async with asked(nats_url, provider, objects) as nc:
        reply = await told(nc, await put(objects, "t2", question(tenant="default")))
    assert isinstance(reply, Problem)
    assert "below its tenant's prefix" in reply.message
    assert provider.calls == 0


@pytest.mark.parametrize(
    ("key", "length", "sentence"),
    [
        (artifact_key("default", "0" * 64), 10, "lost"),
        ("../secrets", 10, "'../secrets' can't be fetched here"),
        (artifact_key("default", "0" * 64), 1 << 40, "can't be fetched here"),
        (artifact_key("default", "0" * 64), -1, "can't be fetched here"),
    ],
)
async def test_a_reference_to_nothing_is_a_clear_problem(
    nats_url: str, objects: S3Artifacts, key: str, length: int, sentence: str
) -> None:
    async with asked(nats_url, Counting(), objects) as nc:
        reply = await told(nc, ByReference(key=key, sha256="0" * 64, length=length))
    assert isinstance(reply, Problem)
    assert sentence in reply.message


async def test_bytes_that_are_not_the_ones_that_were_put_are_not_believed(
    nats_url: str, stack: Stack, bucket: str, objects: S3Artifacts
) -> None:
    good = await put(objects, "default", question("good"))
    await objects.put("default", msgspec.json.encode(question("evil")), key=good.key)
    provider = Counting()
    fresh = S3Artifacts(stack.urls.s3, bucket)  # `objects` remembers what it put
    async with asked(nats_url, provider, fresh) as nc:
        reply = await told(nc, good)
    assert isinstance(reply, Problem)
    assert "does not hold the bytes that were written" in reply.message
    assert provider.calls == 0


async def test_without_s3_a_long_answer_is_a_clear_problem(nats_url: str) -> None:
    async with asked(nats_url, Counting(Completion(text=LONG)), None) as nc:
        reply = await told(nc, question())
    assert isinstance(reply, Problem)
    assert "more than the bus carries" in reply.message
