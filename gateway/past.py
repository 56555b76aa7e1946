"""What the stream holds already, read a little at a time: a reader that is slow has no more than that in memory.

By direct get with a filter, which makes no consumer. Asked for more than there is, the server looks through every block
to the end of the stream; so each answer's count of what is left says how many are asked for next.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.subjects import STREAM
from gateway.frames import Fact
from gateway.live import LiveDown

AT_ONCE = 8
"""Readings: those who come back all at once stand in line."""
MOST, MOST_BYTES = 128, 128 << 10
MANY, MANY_BYTES, MANY_AT_ONCE = 2048, 2 << 20, 8
"""For a few who have much to read: the server counts what is left for every reading."""
SILENT_S = 5.0
_END, _NONE = "204", "404"


class _Ask(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    batch: int
    max_bytes: int
    next_by_subj: str


@dataclass(slots=True)
class Part:
    """Some events in order, and how many are behind them."""

    facts: list[Fact]
    left: int


class Past:
    """On the gateway's connection."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._many = MANY_AT_ONCE

    def lend(self) -> bool:
        """Whether one more may read `many` at once, until it gives that back: it holds what it has read."""
        if not self._many:
            return False
        self._many -= 1
        return True

    def give_back(self) -> None:
        """It has read what it wanted."""
        self._many += 1

    async def read(self, pattern: str, after: int, epoch: int, left: int, *, many: bool = False) -> Part:
        """The first of those behind a place, of which there are so many; raises `LiveDown`."""
        most, most_bytes = (MANY, MANY_BYTES) if many else (MOST, MOST_BYTES)
        asked = _Ask(seq=after + 1, batch=max(1, min(left, most)), max_bytes=most_bytes, next_by_subj=pattern)
        async with self._turn:
            heard = await self._heard(msgspec.json.encode(asked))
        status = heard.end.get("Status", "")
        if status not in {_END, _NONE}:
            raise LiveDown(f"the stream {STREAM} can't be read: {status} {heard.end.get('Description', '')}")
        if heard.gap:
            raise LiveDown(f"of what was read of the stream {STREAM} some did not come")
        left = int(heard.end.get("Nats-Num-Pending", 0))
        return Part([_fact(message, epoch) for message in heard.messages], left if heard.messages else 0)

    async def _heard(self, asked: bytes) -> _Heard:
        inbox, heard = self._nc.new_inbox(), _Heard()
        try:
            replies = await self._nc.subscribe(inbox, cb=heard.take)
            try:
                await self._nc.publish(f"$JS.API.DIRECT.GET.{STREAM}", asked, reply=inbox)
                async with asyncio.timeout(SILENT_S):
                    await heard.ended.wait()
            finally:
                await replies.unsubscribe()
        except (NatsError, OSError, TimeoutError) as error:
            raise LiveDown(f"the stream {STREAM} can't be read: {error!r}") from error
        return heard


@dataclass(slots=True)
class _Heard:
    messages: list[Msg] = field(default_factory=list)
    end: dict[str, str] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    gap: bool = False
    _last: str = ""

    async def take(self, message: Msg) -> None:
        headers = message.headers or {}
        if self._last and headers.get("Nats-Last-Sequence") != self._last:  # each names the one before it
            self.gap = True
        if "Status" in headers:
            self.end = headers
            self.ended.set()
        else:
            self._last = headers["Nats-Sequence"]
            self.messages.append(message)


def _fact(message: Msg, epoch: int) -> Fact:
    headers = message.headers or {}
    return Fact(int(headers["Nats-Sequence"]), headers["Nats-Subject"], headers, message.data, epoch)
