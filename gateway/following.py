"""One who follows events: what is past first, from the stream, then what happens, from the tenant's feed, with no gap
and nothing twice; and the answer that carries it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import frames
from gateway.feeds import CHUNK, Channel, Chunk, Feed, Feeds
from gateway.frames import Fact, Wanted
from gateway.limits import Room
from gateway.live import LiveDown, Standing
from gateway.past import MOST, Past
from gateway.serving import Protocol, chunked, connection
from workers.kit.stores.drops import StoreDown

PING_S = 15.0
LOOK_S = 1.0
RETRY_MS = 1000
FIRST = 1
"""Events that are asked for before it is known how many there are."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a workflow ended, as the store has it; `seq` is its place in the stream, 0 while it has none; `owed`, that
    events of it are still to come into the stream."""

    id: str
    type: str
    body: bytes
    seq: int
    owed: bool


class Following:
    """`next` says what to send, `b""` at the end, and `whole` then whether that was all. With `ends`, which is asked
    for each event that may be it, the end of that workflow is one; with `feed` None, that nothing more is past."""

    def __init__(
        self,
        past: Past,
        wanted: Wanted,
        tenant: str,
        standing: Standing,
        after: int,
        *,
        feed: Feed | None,
        lines: bool,
        ends: Callable[[str], Awaitable[End | None]] | None,
    ) -> None:
        self.direct: Protocol | None = None
        self.whole = False
        self._past, self._pattern, self._wanted = past, wanted.pattern(tenant), wanted
        self._standing, self._seq, self._left = standing, after, FIRST
        self._feed, self._lines, self._ends = feed, lines, ends
        self._channel: Channel | None = None
        self._place = -1  # in the channel; -1 while what is past is told
        self._above = 0
        self._read: deque[Fact] = deque()  # from the past, not told yet
        self._floor, self._many = -1, False
        self._over, self._leaving, self._ping, self._silent = False, False, False, False
        self._waiter: asyncio.Future[None] | None = None
        self._since = _now()
        self._sending = False
        self._begin = frames.begin(standing.position(after), _soon(), lines=lines)

    async def join(self) -> None:
        """Hear what happens from now on; raises `LiveDown`."""
        if self._feed is not None:
            self._channel = await self._feed.join(self._wanted, self._ring)

    async def leave(self) -> None:
        """Hear it no more."""
        self._give_back()
        if self._feed is not None and self._channel is not None:
            await self._feed.leave(self._channel, self._ring)

    async def next(self) -> bytes:
        """What to send now; waits for it."""
        self._sending = False
        told, self._begin = self._begin, b""
        with suppress(LiveDown, StoreDown):  # it is cut off, and comes back with its Last-Event-ID
            while not told and not self._over:
                if self._leaving:
                    self._over, told = True, frames.farewell(_soon(), lines=self._lines)
                elif self._place < 0:
                    told = await self._from_past()
                else:
                    told = await self._from_channel()
        self._sending, self._since = True, _now()
        return told

    async def _from_past(self) -> bytes:
        channel = self._channel
        if not self._read:
            if channel and self._seq >= channel.floor:
                self._join(channel)
                return b""
            self._floor = channel.floor if channel else -1
            await self._read_on()
        told = await self._told()
        if not (self._read or self._left or self._over):
            self._seq = max(self._seq, self._floor)
            self._over = self.whole = channel is None
        if not told and _now() - self._since > PING_S:  # there is much that it doesn't want
            return frames.ping(self._standing.position(self._seq), lines=self._lines)
        return told

    async def _read_on(self) -> None:
        self._many = self._many or (self._left > MOST and self._past.lend())
        epoch = self._standing.epoch
        part = await self._past.read(self._pattern, self._seq, epoch, self._left, many=self._many)
        self._read.extend(part.facts)
        self._left = part.left

    def _give_back(self) -> None:
        self._read.clear()
        if self._many:
            self._many = False
            self._past.give_back()

    async def _told(self) -> bytes:
        """Some of what was read, none behind the end."""
        told: list[bytes] = []
        size = looked = 0
        while self._read and size < CHUNK and looked < MOST and not self._over:
            fact = self._read.popleft()
            self._seq, looked = fact.seq, looked + 1
            if self._wanted.has(fact):
                told.append(fact.line() if self._lines else fact.sse())
                size += len(told[-1])
                if fact.end and told[-1]:
                    await self._ended(fact.end)
        await asyncio.sleep(0)  # what was read is told without waiting for anything; others have their turn
        return b"".join(told)

    def _join(self, channel: Channel) -> None:
        self._give_back()
        self._place = channel.behind(self._seq)
        # Another gateway may have told more than is known here.
        self._above = self._seq if self._feed and self._feed.last < self._seq else 0

    async def _from_channel(self) -> bytes:
        feed, channel = self._feed, self._channel
        if feed is None or channel is None or feed.over:
            self._over = True
            return b""
        if self._place < channel.first:
            self._over = True
            return frames.lag(lines=self._lines)
        chunk = channel.after(self._place, lines=self._lines, above=self._above)
        if chunk is None:
            return await self._silence(feed, channel)
        self._take(chunk)
        if chunk.end:
            await self._ended(chunk.end)
        return chunk.told

    async def _silence(self, feed: Feed, channel: Channel) -> bytes:
        """Until there is something to tell, or it has been still for long."""
        self._waiter, self._since = asyncio.get_running_loop().create_future(), _now()
        await self._waiter
        ping, self._ping = self._ping, False
        if not ping:
            return b""
        end = await self._ends("") if self._ends else None
        if feed.over or channel.first > self._place or channel.after(self._place, lines=self._lines, above=self._above):
            return b""  # something happened meanwhile; a ping would name a place behind it
        if end is not None and not end.owed and self._silent:  # a stream that was lost doesn't tell of it
            self._over = self.whole = True
            return frames.ending(end.type, end.body, lines=self._lines)
        self._silent = end is not None
        return frames.ping(self._standing.position(max(self._seq, feed.last)), lines=self._lines)

    async def _ended(self, event: str) -> None:
        """It is all where the workflow ended with this event: one that failed may have been resumed since."""
        end = await self._ends(event) if self._ends else None
        self._over = self.whole = end is not None and end.id == event

    def _ring(self, now: float) -> None:
        """There may be something to tell. Who waits for it is told at once where the connection takes it, and need not
        wake up."""
        waiter, feed, channel = self._waiter, self._feed, self._channel
        if waiter is None or waiter.done() or feed is None or channel is None:
            return
        if self.direct is None or feed.over or self._place < channel.first:
            waiter.set_result(None)
            return
        while chunk := channel.after(self._place, lines=self._lines, above=self._above):
            if chunk.end or (chunk.framed and not self.direct.take(chunk.framed)):
                waiter.set_result(None)
                return
            self._since = now
            self._take(chunk)

    def _take(self, chunk: Chunk) -> None:
        self._place, self._seq, self._silent = chunk.place, max(self._seq, chunk.seq), False
        self._above = 0 if chunk.seq > self._above else self._above

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def dismiss(self) -> None:
        """Tell nothing more but to come back."""
        self._leaving = True
        self._wake()

    def look(self) -> None:
        """Tell who was told nothing that we are here."""
        if not self._sending and _now() - self._since > PING_S and self._waiter is not None:
            self._ping = True
            self._wake()


class Streams:
    """Everybody who follows at this gateway, and room for no more: `full` in all, `crowded` of one tenant."""

    def __init__(self, feeds: Feeds, past: Past, room: Room, each: int, crowded: Callable[[], Exception]) -> None:
        self.feeds, self.past, self.room = feeds, past, room
        self._each, self._crowded = each, crowded
        self._of: Counter[str] = Counter()
        self._all: set[Following] = set()
        self._asked: dict[tuple[str, str], asyncio.Future[End | None]] = {}
        self._closing = False
        self._looking = asyncio.create_task(self._look())

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """For one more follower."""
        if self._of[tenant] >= self._each:
            raise self._crowded()
        with self.room.place():
            self._of[tenant] += 1
            try:
                yield
            finally:
                self._of[tenant] -= 1

    async def ended(self, workflow: str, event: str, ask: Callable[[], Awaitable[End | None]]) -> End | None:
        """How a workflow ended, asked once for all who were told the same event and ask at the same time."""
        key = (workflow, event)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.ensure_future(ask())
            asked.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(asked)

    @contextmanager
    def telling(self, following: Following, send: Send) -> Iterator[asyncio.Task[None]]:
        """A task that sends everything, until the end: one of its own, because what is woken in the middle of an
        application's calls goes through all of them."""
        task = asyncio.create_task(_tell(following, send))
        self._all.add(following)
        if self._closing:
            following.dismiss()
        try:
            yield task
        finally:
            task.cancel()
            self._all.discard(following)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for following in list(self._all):
                following.look()

    async def end(self) -> None:
        """Tell everybody to come back later, and wait for a moment until they were told."""
        self._closing = True
        for following in self._all:
            following.dismiss()
        until = _now() + LOOK_S
        while self._all and _now() < until:  # noqa: ASYNC110  it is over in some milliseconds
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Nobody follows any more."""
        self._looking.cancel()
        await self.feeds.close()


class EventStream(Response):
    """Holds its place until it has ended, or until its client has gone. It ends properly where all was told; anything
    else is a cut, so that nobody takes a part for the whole."""

    def __init__(self, streams: Streams, following: Following, place: ExitStack, *, lines: bool) -> None:
        self.media_type = "application/x-ndjson" if lines else "text/event-stream"
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"})
        del self.headers["content-length"]
        self._streams, self._following, self._place = streams, following, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_gone(receive))
        try:
            with self._place:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                at = connection(scope)
                self._following.direct = at if chunked(scope) else None
                with self._streams.telling(self._following, send) as telling:
                    await asyncio.wait((gone, telling), return_when=asyncio.FIRST_COMPLETED)
                    if telling.done():
                        telling.result()
                if not self._following.whole and not gone.done():
                    at.cut(chunked=chunked(scope))
                    await gone
        finally:
            gone.cancel()
            await self._following.leave()


async def _tell(following: Following, send: Send) -> None:
    while told := await following.next():
        await send({"type": "http.response.body", "body": told, "more_body": True})
    if following.whole:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _soon() -> int:
    return RETRY_MS + random.randrange(RETRY_MS)  # noqa: S311  no secret


def _now() -> float:
    return asyncio.get_running_loop().time()
