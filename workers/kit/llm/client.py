"""The Llm port over NATS: a question to the router's queue group, and its answer at an address of its own.

The router sends a sign of life while it works, so a router that died is noticed in seconds, however slow the model.
What is larger than the bus takes lies in S3, and only its place is told.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from hashlib import sha256

import msgspec
import nats.errors
from nats.aio.client import Client

from contracts.events import Ref
from observability import telemetry
from workers.kit.settings import Settings
from workers.kit.stage import Permanent, Transient
from workers.kit.stores.drops import ArtifactLost, Artifacts, StoreDown
from workers.kit.stores.keys import artifact_key

from .dialogue import Dialogue
from .inbox import Inbox, Replies
from .wire import COMPLETE, MAX_QUESTION_BYTES, Answer, ByReference, Carried, Problem, Question, Working

RETRY_S = 1.0
MOST_BYTES = 64 * 1024 * 1024
"""Of an answer that is fetched."""

_NO_RESPONDERS = "503"


class RouterAway(Transient, StoreDown):
    """No router answers: as with a store that is down, the attempt does not count."""


class LlmClient(Dialogue):
    """Asks whichever router is up."""

    def __init__(self, nc: Client, settings: Settings) -> None:
        self._nc = nc
        self._inbox = Inbox(nc)
        self._settings = settings
        self._silence_s = settings.llm_silence_s
        self.strict = settings.llm_strict

    async def ask(self, question: Question) -> Answer | Problem:
        body = msgspec.json.encode(question)
        if len(body) > MAX_QUESTION_BYTES:
            body = await self._put(question, body)
        try:
            reply = await self._exchange(body)
        except TimeoutError:
            # It had the question: one that makes it fall silent each time must not be asked for ever.
            message = f"the model router has been silent for {self._silence_s:g} s"
            raise Transient(message, RETRY_S) from None
        except nats.errors.Error as error:
            raise RouterAway(f"the model router can't be reached: {error}", RETRY_S) from error
        return await self._fetched(question, reply) if isinstance(reply, ByReference) else reply

    @cached_property
    def _objects(self) -> Artifacts | None:
        """Opened by whoever has too much to say: hardly any process does."""
        if not self._settings.s3_url:
            return None
        from workers.kit.stores.artifacts import S3Artifacts

        return S3Artifacts(self._settings.s3_url, self._settings.s3_bucket, cache_bytes=0)

    async def _put(self, question: Question, body: bytes) -> bytes:
        if self._objects is None:
            raise Permanent(
                f"the question for {question.task} is {len(body) // 1024} KiB, "
                f"more than the {MAX_QUESTION_BYTES // 1024} KiB that fit on the bus, and no S3 is set"
            )
        key = artifact_key(question.tenant, sha256(body).hexdigest())
        ref = await self._objects.put(question.tenant, body, key=key)
        return msgspec.json.encode(ByReference(key=ref.key, sha256=ref.sha256, length=ref.length))

    async def _fetched(self, question: Question, at: ByReference) -> Answer:
        """The answer that lies there. Raises `StoreDown`."""
        if self._objects is None or at.length > MOST_BYTES or at.key != artifact_key(question.tenant, at.sha256):
            raise Permanent(f"the answer to {question.task} can't be fetched: {at.length} bytes at {at.key[:200]!a}")
        try:
            body = await self._objects.get(Ref(key=at.key, offset=0, length=at.length, sha256=at.sha256))
            return msgspec.json.decode(body, type=Answer)
        except (ArtifactLost, msgspec.DecodeError) as error:
            raise Transient(f"the answer to {question.task} can't be fetched: {error}", RETRY_S) from None

    async def _exchange(self, body: bytes) -> Answer | Problem | ByReference:
        await self._inbox.open()
        trace = telemetry.traceparent()
        with self._inbox.address() as (address, replies):
            await self._nc.publish(COMPLETE, body, reply=address, headers={"traceparent": trace} if trace else None)
            while True:
                reply = await self._next(replies)
                if not isinstance(reply, Working):
                    return reply

    async def _next(self, replies: Replies) -> Carried:
        async with asyncio.timeout(self._silence_s):
            message = await replies.get()
        if message.headers and message.headers.get("Status") == _NO_RESPONDERS:
            raise RouterAway("no model router is running", RETRY_S)
        try:
            reply: Carried = msgspec.json.decode(message.data, type=Carried)
        except msgspec.DecodeError as error:
            raise Transient(f"the model router's reply can't be read: {error}", RETRY_S) from None
        return reply
