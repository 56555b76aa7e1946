"""The Llm port over NATS: a question to the router's queue group, and its answer on an inbox of its own.

The router sends a sign of life while it works, so a router that died is noticed in seconds, however slow the model.
"""

from __future__ import annotations

import contextlib

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from observability import telemetry
from workers.kit.settings import Settings
from workers.kit.stage import Permanent, Transient
from workers.kit.stores.drops import StoreDown

from .dialogue import Dialogue
from .wire import COMPLETE, MAX_QUESTION_BYTES, Answer, Problem, Question, Reply, Working

RETRY_S = 1.0
_NO_RESPONDERS = "503"


class RouterAway(Transient, StoreDown):
    """No router answers: as with a store that is down, the attempt does not count."""


class LlmClient(Dialogue):
    """Asks whichever router is up."""

    def __init__(self, nc: Client, settings: Settings) -> None:
        self._nc = nc
        self._silence_s = settings.llm_silence_s

    async def ask(self, question: Question) -> Answer | Problem:
        body = msgspec.json.encode(question)
        if len(body) > MAX_QUESTION_BYTES:
            raise Permanent(
                f"the question for {question.task} is {len(body) // 1024} KiB, "
                f"more than the {MAX_QUESTION_BYTES // 1024} KiB that fit on the bus"
            )
        try:
            return await self._exchange(body)
        except nats.errors.TimeoutError:
            # It had the question: one that makes it fall silent each time must not be asked for ever.
            message = f"the model router has been silent for {self._silence_s:g} s"
            raise Transient(message, RETRY_S) from None
        except nats.errors.Error as error:
            raise RouterAway(f"the model router can't be reached: {error}", RETRY_S) from error

    async def _exchange(self, body: bytes) -> Answer | Problem:
        inbox = self._nc.new_inbox()
        replies = await self._nc.subscribe(inbox)
        try:
            trace = telemetry.traceparent()
            await self._nc.publish(COMPLETE, body, reply=inbox, headers={"traceparent": trace} if trace else None)
            while True:
                reply = await self._next(replies)
                if not isinstance(reply, Working):
                    return reply
        finally:
            with contextlib.suppress(nats.errors.Error):
                await replies.unsubscribe()

    async def _next(self, replies: Subscription) -> Reply:
        message = await replies.next_msg(timeout=self._silence_s)
        if message.headers and message.headers.get("Status") == _NO_RESPONDERS:
            raise RouterAway("no model router is running", RETRY_S)
        try:
            reply: Reply = msgspec.json.decode(message.data, type=Reply)
        except msgspec.DecodeError as error:
            raise Transient(f"the model router's reply can't be read: {error}", RETRY_S) from None
        return reply
