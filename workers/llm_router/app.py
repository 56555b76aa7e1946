"""The service on the bus: request-reply in a queue group, any number of replicas.

While a question is worked on, its asker gets a sign of life every few seconds. What the bus can't carry lies in S3.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Protocol

import msgspec
import nats.errors
import structlog
from faststream import FastStream
from faststream.nats import NatsBroker, NatsMessage
from nats.aio.subscription import Subscription
from opentelemetry.trace import SpanKind

from contracts.events import Ref
from observability import telemetry
from workers.kit.llm.wire import (
    COMPLETE,
    EMBED,
    MAX_REPLY_BYTES,
    MODELS,
    QUEUE,
    Answer,
    ByReference,
    Embed,
    Embedded,
    Problem,
    Question,
    Working,
    read_asked,
)
from workers.kit.runner.connection import drain
from workers.kit.settings import Settings
from workers.kit.stores.drops import ArtifactLost, StoreDown
from workers.kit.stores.keys import artifact_key, owner

from .noted import RETRY_S
from .running import Running
from .service import Service, place

AT_ONCE = 2048
ALIVE_S = 2.0
FINISH = 0.85
"""Of a stopping router's grace, what its calls have to end. The rest is for what is cut off then: it is noted."""
CUT_S = 1.0
MOST_BYTES = 64 * 1024 * 1024
"""Of a question that lies in S3."""
ROOM_BYTES = 4 * MOST_BYTES
"""Of all questions from S3 that are worked on at once: the others wait, with signs of life."""
MOST_REFERENCE = 4096
_WORKING = msgspec.json.encode(Working())
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_log = structlog.get_logger()


class Room:
    """Bytes that may be held at once; who asks first is first."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Hold so many; no more than there are at all."""
        if size:
            async with self._turn, self._changed:
                await self._changed.wait_for(lambda: self._left >= size)
                self._left -= size
        try:
            yield
        finally:
            if size:
                self._left += size
                async with self._changed:
                    self._changed.notify_all()


class Objects(Protocol):
    """Of the artifacts' store, what is needed here."""

    async def put(self, tenant: str, body: bytes, *, key: str = "") -> Ref: ...

    async def get(self, ref: Ref) -> bytes: ...


def connection(settings: Settings) -> NatsBroker:
    """The router's connection, not yet made."""
    return NatsBroker(
        settings.nats_url,
        name="quantumlayer-llm-router",
        apply_types=False,
        decoder=_as_it_is,
        logger=None,
        graceful_timeout=settings.grace_s,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # nats-py takes seconds as a float as well
        error_cb=_failed,
    )


def app(broker: NatsBroker, service: Service, objects: Objects | None = None) -> FastStream:
    """The application, not yet connected. Without `objects` nothing larger than the bus takes can be asked or told."""

    room = Room(ROOM_BYTES)
    running = Running(AT_ONCE)
    questions = broker.subscriber(COMPLETE, queue=QUEUE, no_reply=True)

    @questions
    async def complete(message: NatsMessage) -> None:
        if message.reply_to:
            await running.begin(answer(message))

    async def answer(message: NatsMessage) -> None:
        with _SignsOfLife(message.raw_message.respond):
            async with room.of(_referred(message.body)):
                body = await _completed(message, service, objects)
        await message.raw_message.respond(body)

    async def finish() -> None:
        """The questions that come from now on are for the other routers. What does not end in time is cut off."""
        until = time.monotonic() + FINISH * (broker.config.graceful_timeout or 0.0)
        for subscriber in (questions, texts):
            if isinstance(subscription := subscriber.subscription, Subscription):
                subscriber.subscription = None  # FastStream would drop what was heard and has not begun
                await drain(subscription, max(0.0, until - time.monotonic()))
        await running.end(max(0.0, until - time.monotonic()))
        await service.end(CUT_S)
        await running.cut(CUT_S)

    texts = broker.subscriber(EMBED, queue=QUEUE, no_reply=True)

    @texts
    async def embed(message: NatsMessage) -> None:
        if message.reply_to:
            await running.begin(vectors(message))

    async def vectors(message: NatsMessage) -> None:
        await message.raw_message.respond(await _embedded(message, service))

    @broker.subscriber(MODELS, queue=QUEUE, no_reply=True)
    async def models(message: NatsMessage) -> None:
        if message.reply_to:
            await broker.publish(msgspec.json.encode(await service.models()), message.reply_to)

    return FastStream(broker, logger=None, on_shutdown=[finish])


async def _failed(error: Exception) -> None:
    """A router that waits for the bus says so."""
    _log.warning("nats.failed", error=str(error) or type(error).__name__)


async def _as_it_is(message: NatsMessage) -> NatsMessage:
    """Our own code decodes: what can't be read gets an answer that says so."""
    return message


async def _completed(message: NatsMessage, service: Service, objects: Objects | None) -> bytes:
    try:
        question = await _question(message.body, objects)
        parent = message.headers.get("traceparent", "")
        with telemetry.span("llm complete", SpanKind.SERVER, parent, task=question.task) as span:
            reply = await service.answer(question)
            span.set_attributes(_told(reply))
        return await _carried(question.tenant, reply, objects)
    except _Unusable as error:
        return msgspec.json.encode(error.problem)
    except Exception as error:  # noqa: BLE001  # an asker without a reply waits, and a subscriber without one ends
        _log.error("llm.fault", error=type(error).__name__, at=place(error))
        said = f"the model router failed: {type(error).__name__}"
        return msgspec.json.encode(Problem(kind="transient", message=said, retry_after=RETRY_S))


def _referred(body: bytes) -> int:
    """The length of the question that lies elsewhere; 0 for one that is here, or can't be fetched."""
    if len(body) > MOST_REFERENCE:
        return 0
    try:
        asked = read_asked(body)
    except _UNREADABLE:
        return 0
    return asked.length if isinstance(asked, ByReference) and 0 < asked.length <= MOST_BYTES else 0


def _told(reply: Answer | Problem) -> dict[str, str | int | bool]:
    """OpenTelemetry's names for a call to a model."""
    if isinstance(reply, Problem):
        return {"gen_ai.operation.name": "chat", "error.type": reply.code or reply.kind}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": reply.model.partition("/")[0],
        "gen_ai.response.model": reply.model,
        "gen_ai.usage.input_tokens": reply.tokens_in,
        "gen_ai.usage.output_tokens": reply.tokens_out,
        "ql.llm.known": reply.known,
    }


class _Unusable(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


async def _question(body: bytes, objects: Objects | None) -> Question:
    """What was asked; raises `_Unusable`."""
    try:
        asked = read_asked(body)
        if isinstance(asked, Question):
            return asked
        question = msgspec.json.decode(await _fetched(asked, objects), type=Question)
    except _UNREADABLE as error:
        raise _Unusable(Problem(kind="permanent", message=f"the question can't be read: {error}")) from None
    except ArtifactLost as error:
        raise _Unusable(Problem(kind="permanent", message=f"the question is lost: {error}")) from None
    except StoreDown as error:
        message = f"the question can't be fetched: {error}"
        raise _Unusable(Problem(kind="transient", message=message, retry_after=RETRY_S)) from None
    if owner(asked.key) != (question.tenant, asked.sha256):
        raise _Unusable(Problem(kind="permanent", message="the question does not lie below its tenant's prefix"))
    return question


async def _fetched(asked: ByReference, objects: Objects | None) -> bytes:
    if objects is None or not 0 < asked.length <= MOST_BYTES or owner(asked.key) is None:
        message = f"a question of {asked.length} bytes at {asked.key[:80]!a} can't be fetched here"
        raise _Unusable(Problem(kind="permanent", message=message))
    return await objects.get(Ref(key=asked.key, offset=0, length=asked.length, sha256=asked.sha256))


async def _carried(tenant: str, reply: Answer | Problem, objects: Objects | None) -> bytes:
    """The reply, or where it lies."""
    try:
        body = msgspec.json.encode(reply)
    except UnicodeEncodeError:
        return msgspec.json.encode(Problem(kind="permanent", message="the answer holds half of a surrogate pair"))
    if len(body) <= MAX_REPLY_BYTES:
        return body
    if objects is None:
        message = f"the answer is {len(body) // 1024} KiB, more than the bus carries, and no S3 is set"
        return msgspec.json.encode(Problem(kind="permanent", message=message))
    digest = sha256(body).hexdigest()
    try:
        ref = await objects.put(tenant, body, key=artifact_key(tenant, digest))
    except StoreDown as error:
        message = f"the answer is too large for the bus, and S3 can't be reached: {error}"
        return msgspec.json.encode(Problem(kind="transient", message=message, retry_after=RETRY_S))
    return msgspec.json.encode(ByReference(key=ref.key, sha256=ref.sha256, length=ref.length))


async def _embedded(message: NatsMessage, service: Service) -> bytes:
    reply: Embedded | Problem
    try:
        reply = await service.embed(msgspec.json.decode(message.body, type=Embed))
    except _UNREADABLE as error:
        reply = Problem(kind="permanent", message=f"the texts can't be read: {error}")
    body = msgspec.json.encode(reply)
    if len(body) > MAX_REPLY_BYTES:
        return msgspec.json.encode(Problem(kind="permanent", message="too many texts at once: the vectors don't fit"))
    return body


class _SignsOfLife:
    """Said for as long as the block runs. Hardly a call needs one: a timer costs nothing, a task does."""

    def __init__(self, say: Callable[[bytes], Awaitable[None]]) -> None:
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._saying: asyncio.Future[None] | None = None

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(ALIVE_S, self._beat)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._saying is not None:
            self._saying.cancel()

    def _beat(self) -> None:
        self._timer = self._loop.call_later(ALIVE_S, self._beat)
        if self._saying is None or self._saying.done():
            self._saying = asyncio.ensure_future(self._said())

    async def _said(self) -> None:
        with contextlib.suppress(nats.errors.Error, OSError):  # the next one may be heard
            await self._say(_WORKING)
