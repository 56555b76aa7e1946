"""The service on the bus: request-reply in a queue group, any number of replicas.

While a question is worked on, its asker gets a sign of life every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
from faststream import FastStream
from faststream.nats import NatsBroker, NatsMessage
from opentelemetry.trace import SpanKind

from observability import telemetry
from workers.kit.llm.wire import COMPLETE, MAX_REPLY_BYTES, MODELS, QUEUE, Answer, Models, Problem, Question, Working
from workers.kit.settings import Settings

from .service import Service

AT_ONCE = 1024
ALIVE_S = 3.0
_WORKING = msgspec.json.encode(Working())
_log = structlog.get_logger()


def app(settings: Settings, service: Service) -> FastStream:
    """The application, not yet connected."""
    broker = NatsBroker(
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

    @broker.subscriber(COMPLETE, queue=QUEUE, max_workers=AT_ONCE, no_reply=True)
    async def complete(message: NatsMessage) -> None:
        if message.reply_to:
            async with _signs_of_life(broker, message.reply_to):
                reply = await _replied(message, service)
            await broker.publish(_fitting(reply), message.reply_to)

    @broker.subscriber(MODELS, queue=QUEUE, no_reply=True)
    async def models(message: NatsMessage) -> None:
        if message.reply_to:
            await broker.publish(msgspec.json.encode(Models(models=(service.model,))), message.reply_to)

    return FastStream(broker, logger=None)


async def _failed(error: Exception) -> None:
    """A router that waits for the bus says so."""
    _log.warning("nats.failed", error=str(error) or type(error).__name__)


async def _as_it_is(message: NatsMessage) -> NatsMessage:
    """Our own code decodes: what can't be read gets an answer that says so."""
    return message


async def _replied(message: NatsMessage, service: Service) -> Answer | Problem:
    try:
        question = msgspec.json.decode(message.body, type=Question)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Problem(kind="permanent", message=f"the question can't be read: {error}")
    parent = message.headers.get("traceparent", "")
    with telemetry.span("llm complete", SpanKind.SERVER, parent, model=service.model, task=question.task):
        return await service.answer(question)


def _fitting(reply: Answer | Problem) -> bytes:
    body = msgspec.json.encode(reply)
    if len(body) <= MAX_REPLY_BYTES:
        return body
    message = f"the answer is {len(body) // 1024} KiB, more than the {MAX_REPLY_BYTES // 1024} KiB that fit on the bus"
    return msgspec.json.encode(Problem(kind="permanent", message=message))


@asynccontextmanager
async def _signs_of_life(broker: NatsBroker, inbox: str) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(ALIVE_S)
            await broker.publish(_WORKING, inbox)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
