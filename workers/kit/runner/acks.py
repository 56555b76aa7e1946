"""Publishing many messages at once: all are sent, then their PubAcks awaited, over one private inbox a connection.

A request of the client's own for each costs half as much again: a random token, a future and a timer a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

TIMEOUT_S = 5.0


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One to publish to a stream."""

    subject: str
    headers: dict[str, str]
    body: bytes


class ApiFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why the stream did not take a message."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(msgspec.Struct, frozen=True, kw_only=True):
    """The stream's answer to one message."""

    stream: str = ""
    seq: int = 0
    error: ApiFault | None = None


Answer = PubAck | Exception
_decode = msgspec.json.Decoder(PubAck).decode


@dataclass(slots=True)
class _Batch:
    answers: list[Answer | None]
    left: int
    over: asyncio.Future[None]

    def answer(self, place: int, answer: Answer) -> None:
        if self.answers[place] is None:
            self.answers[place] = answer
            self.left -= 1
            if not self.left:
                self.end()

    def end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


class Acks:
    """One a publisher."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._inbox = ""
        self._sent = 0
        self._waiting: dict[str, tuple[_Batch, int]] = {}
        self._one = asyncio.Lock()

    async def send(self, messages: Sequence[Message]) -> list[Answer]:
        """Publish in this order; what the stream answered to each, or the error that stood in the way."""
        if not messages:
            return []
        if not self._inbox:
            await self._listen()
        loop = asyncio.get_running_loop()
        batch = _Batch([None] * len(messages), len(messages), loop.create_future())
        replies = [f"{self._inbox}{self._sent + place}" for place in range(len(messages))]
        self._sent += len(messages)
        timer = loop.call_later(TIMEOUT_S, batch.end)
        try:
            await self._publish(messages, replies, batch)
            await batch.over
        finally:
            timer.cancel()
            for reply in replies:
                self._waiting.pop(reply, None)
        return [NatsTimeoutError() if answer is None else answer for answer in batch.answers]

    async def _publish(self, messages: Sequence[Message], replies: Sequence[str], batch: _Batch) -> None:
        for place, (message, reply) in enumerate(zip(messages, replies, strict=True)):
            self._waiting[reply] = batch, place
            try:
                await self._nc.publish(message.subject, message.body, reply=reply, headers=message.headers)
            except (NatsError, OSError) as error:  # then none of those behind it goes out before it
                for rest in range(place, len(messages)):
                    batch.answer(rest, error)
                return

    async def _listen(self) -> None:
        async with self._one:
            if not self._inbox:
                inbox = self._nc.new_inbox()
                await self._nc.subscribe(f"{inbox}.*", cb=self._arrived)
                self._inbox = f"{inbox}."

    async def _arrived(self, message: Msg) -> None:
        batch, place = self._waiting.pop(message.subject, (None, 0))
        if batch is not None:
            batch.answer(place, _read(message))


def _read(message: Msg) -> Answer:
    if message.headers and message.headers.get("Status") == "503":
        return NoRespondersError()
    try:
        return _decode(message.data)
    except msgspec.DecodeError as error:
        return error
