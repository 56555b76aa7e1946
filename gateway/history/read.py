"""Reads a workflow's events from the stream, and from nothing else: all there are at the moment of asking.

By direct get: no consumer is made. One subject has one event ever, so the last of each subject are all of them, and
these the server finds in its index of subjects. Asked for what comes next by a filter, as a longer history is, it
looks through every block between the last event there is and the end of the stream; so it is never asked for more
than there is. A stream without direct get can't be read so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts import cloudevents
from contracts.events import Event
from contracts.subjects import STREAM, token

AT_ONCE = 1024
"""Subjects that the server finds the last messages of in one request; it refuses more."""
BATCH, BYTES = 10_000, 16 << 20
"""Of one answer, which comes without flow control: a server cuts off who lets 64 MiB wait."""
PATIENCE_S = 5.0
"""Without a message, after which the stream counts as away."""
MOST = 100_000
"""Events of one workflow; more than any can have."""
_END, _NONE, _TOO_MANY = "204", "404", "413"
_log = structlog.get_logger()


class HistoryDown(Exception):
    """The stream can't be read now."""


class _All(msgspec.Struct, frozen=True, kw_only=True):
    """The last message of each subject."""

    multi_last: tuple[str, ...]
    max_bytes: int


class _Next(msgspec.Struct, frozen=True, kw_only=True):
    """A few messages of a filter, from one on."""

    seq: int
    batch: int
    next_by_subj: str
    max_bytes: int


class History:
    """On the gateway's connection."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def of(self, tenant: str, workflow: str) -> list[Event]:
        """The workflow's events in the order of the stream; none for one that the stream does not hold.

        What no reader of today can decode is left out. Raises `HistoryDown`.
        """
        pattern = f"ql.evt.{token(tenant)}.{token(workflow)}.>"
        heard = await self._asked(_All(multi_last=(pattern,), max_bytes=BYTES))
        return await self._long(pattern) if heard.status == _TOO_MANY or heard.left else heard.events

    async def _long(self, pattern: str) -> list[Event]:
        """Of one with more than `AT_ONCE` events, or `BYTES` of them."""
        events: list[Event] = []
        seq, left, told = 1, AT_ONCE, 0
        while left and told < MOST:
            heard = await self._asked(_Next(seq=seq, batch=min(left, BATCH), next_by_subj=pattern, max_bytes=BYTES))
            events += heard.events
            told += heard.count
            seq, left = heard.last + 1, heard.left if heard.count else 0
        return events

    async def _asked(self, what: _All | _Next) -> _Heard:
        """Everything that answers."""
        inbox, heard = self._nc.new_inbox(), _Heard()
        try:
            replies = await self._nc.subscribe(inbox, cb=heard.take)
            try:
                await self._nc.publish(f"$JS.API.DIRECT.GET.{STREAM}", msgspec.json.encode(what), reply=inbox)
                await heard.end()
            finally:
                await replies.unsubscribe()
        except (NatsError, OSError, TimeoutError) as error:
            raise HistoryDown(f"the stream {STREAM} can't be read: {error!r}") from error
        if heard.status not in {_END, _NONE, _TOO_MANY}:
            raise HistoryDown(f"the stream {STREAM} can't be read: {heard.status} {heard.why}")
        return heard


class _Heard:
    """What comes until a status says that it was all. No timer a message: only that nothing came at all for a while."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.count = 0
        self._end: Mapping[str, str] = {}
        self._ended = asyncio.Event()

    @property
    def status(self) -> str:
        return self._end.get("Status", "")

    @property
    def why(self) -> str:
        return self._end.get("Description", "")

    @property
    def last(self) -> int:
        """The place in the stream of the last one that came."""
        return int(self._end.get("Nats-Last-Sequence", 0))

    @property
    def left(self) -> int:
        """How many the stream holds behind it."""
        return int(self._end.get("Nats-Num-Pending", 0))

    async def take(self, message: Msg) -> None:
        headers = message.headers or {}
        if "Status" in headers:
            self._end = headers
            self._ended.set()
            return
        self.count += 1
        try:
            self.events.append(cloudevents.from_binary(headers, message.data))
        except cloudevents.BadEvent as error:
            _log.warning("event_left_out", subject=headers.get("Nats-Subject", ""), error=str(error))

    async def end(self) -> None:
        """Until the status; raises TimeoutError after a silence."""
        while not self._ended.is_set():
            before = self.count
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._ended.wait()
            except TimeoutError:
                if self.count == before:
                    raise
