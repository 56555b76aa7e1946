"""Reads a workflow's events from the stream, and from nothing else: all there are at the moment of asking.

By direct get in batches with a subject filter: the server finds the first and last block of each subject in its index,
no consumer is made, and one round trip brings up to `BATCH` events. A stream without direct get can't be read so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts import cloudevents
from contracts.events import Event
from contracts.subjects import STREAM, token

BATCH = 5000
PATIENCE_S = 5.0
"""Without a message, after which the stream counts as away."""
MOST = 100_000
"""Events of one workflow; more than any can have."""
_END, _NONE = "204", "404"
_log = structlog.get_logger()


class HistoryDown(Exception):
    """The stream can't be read now."""


class _Ask(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    batch: int
    next_by_subj: str


class History:
    """On the gateway's connection."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def of(self, tenant: str, workflow: str) -> list[Event]:
        """The workflow's events in the order of the stream; none for one that the stream does not hold.

        What no reader of today can decode is left out. Raises `HistoryDown`.
        """
        return [event async for event in self._events(f"ql.evt.{token(tenant)}.{token(workflow)}.>")]

    async def _events(self, pattern: str) -> AsyncIterator[Event]:
        seq, told = 1, 0
        while seq and told < MOST:
            messages, seq = await self._batch(pattern, seq)
            told += len(messages)
            for message in messages:
                event = _decoded(message)
                if event is not None:
                    yield event

    async def _batch(self, pattern: str, seq: int) -> tuple[list[Msg], int]:
        """A batch from `seq` on, and where the next one begins (0: there is none)."""
        asked = msgspec.json.encode(_Ask(seq=seq, batch=BATCH, next_by_subj=pattern))
        inbox, heard = self._nc.new_inbox(), _Heard()
        try:
            replies = await self._nc.subscribe(inbox, cb=heard.take)
            try:
                await self._nc.publish(f"$JS.API.DIRECT.GET.{STREAM}", asked, reply=inbox)
                end = await heard.end()
            finally:
                await replies.unsubscribe()
        except (NatsError, OSError, TimeoutError) as error:
            raise HistoryDown(f"the stream {STREAM} can't be read: {error!r}") from error
        status = end.get("Status", "")
        if status not in {_END, _NONE}:
            raise HistoryDown(f"the stream {STREAM} can't be read: {status} {end.get('Description', '')}")
        return heard.messages, int(end.get("Nats-Last-Sequence", 0)) + 1 if _more(end) else 0


class _Heard:
    """What comes until a status says that it was all. No timer a message: only that nothing came at all for a while."""

    def __init__(self) -> None:
        self.messages: list[Msg] = []
        self._end: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def take(self, message: Msg) -> None:
        headers = message.headers or {}
        if "Status" not in headers:
            self.messages.append(message)
        elif not self._end.done():
            self._end.set_result(headers)

    async def end(self) -> dict[str, str]:
        """The status; raises TimeoutError after a silence."""
        while True:
            before = len(self.messages)
            done, _ = await asyncio.wait([self._end], timeout=PATIENCE_S)
            if done:
                return self._end.result()
            if len(self.messages) == before:
                raise TimeoutError


def _more(headers: dict[str, str]) -> bool:
    return headers.get("Nats-Num-Pending", "0") != "0"


def _decoded(message: Msg) -> Event | None:
    try:
        return cloudevents.from_binary(message.headers, message.data)
    except cloudevents.BadEvent as error:
        _log.warning("event_left_out", subject=(message.headers or {}).get("Nats-Subject", ""), error=str(error))
        return None
