"""The events of one tenant for all who follow them: one consumer of the stream, one copy of each event, made into bytes
once. Who is slow holds a place in what all share, and no copy.

A feed keeps the newest events of its tenant. A channel is what followers of the same wishes hear of it, and a follower
is a place in a channel.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from contracts import subjects
from gateway.frames import Fact, Progress, Wanted
from gateway.live import Live, LiveDown, Standing
from gateway.tail import Tail
from workers.kit.llm.wire import WATCH_S
from workers.kit.runner.connection import round_trip

KEPT, KEPT_BYTES = 4096, 16 << 20
"""Newest events that a feed keeps for those who come back, and for those who are slow."""
BACKLOG = 256 << 10
"""Bytes of progress that a channel keeps; who is behind that is told to come back."""
BACKLOGS = 64 << 20
"""Bytes of progress that all channels keep; beyond them the one with most drops some."""
CHUNK = 64 << 10
"""Bytes that a follower is sent at once, where more wait for it."""
EACH_S = 2e-5
"""That it takes to send one of a thousand followers what there is, and as much again."""
CHUNKS = 64
"""Of these a channel keeps, for others at the same place."""
OPEN_S, FLUSH_S, LOOK_S = 10.0, 5, 2.0
LINGER = 15
"""Looks at a feed that nobody follows, before it is closed."""


class Chunk(NamedTuple):
    """Bytes to send, the same as a chunk of HTTP/1.1, the place behind them, the last event's place in the stream, and
    the id of the end of a workflow where they end with one."""

    told: bytes
    framed: bytes
    place: int
    seq: int
    end: str


class Channel:
    """Places count entries from the first one ever on; `floor` is the place in the stream of the last that is gone."""

    def __init__(self, wanted: Wanted, feed: Feed, kept: list[Fact]) -> None:
        self.wanted = wanted
        self.floor = feed.floor
        self.first = 0
        self.progress = 0
        self.bells: set[Callable[[float], None]] = set()
        self.listening: Subscription | None = None
        self.watching: asyncio.Task[None] | None = None
        self._feed = feed
        self._entries: deque[Fact | Progress] = deque(kept)
        self._made: dict[tuple[int, bool, int], Chunk] = {}
        self._rung = False
        self._next = 0.0

    def behind(self, seq: int) -> int:
        """The place behind all events up to this one of the stream."""
        older = 0
        for entry in reversed(self._entries):
            if entry.seq <= seq:
                break
            older += 1
        return self.first + len(self._entries) - older

    def after(self, place: int, *, lines: bool, above: int) -> Chunk | None:
        """What comes at a place, leaving out events up to `above`; None where nothing does yet."""
        if place >= self.first + len(self._entries):
            return None
        chunk = self._made.get((place, lines, above))
        if chunk is None:
            if len(self._made) >= CHUNKS:
                self._made.clear()
            chunk = self._made[place, lines, above] = self._chunk(place, lines=lines, above=above)
        return chunk

    def _chunk(self, place: int, *, lines: bool, above: int) -> Chunk:
        told: list[bytes] = []
        size, end, seq = 0, "", 0
        for entry in islice(self._entries, place - self.first, None):
            place += 1
            seq = max(seq, entry.seq)
            if isinstance(entry, Fact) and entry.seq <= above:
                continue
            told.append(entry.line() if lines else entry.sse())
            size += len(told[-1])
            end = entry.end if told[-1] else ""
            if end or size >= CHUNK:
                break
        whole = b"".join(told)
        return Chunk(whole, b"%x\r\n%b\r\n" % (len(whole), whole) if whole else b"", place, seq, end)

    def add(self, entry: Fact | Progress) -> None:
        """Everybody who waits is woken, once for all that comes at a time."""
        self._entries.append(entry)
        self._made.clear()
        if isinstance(entry, Progress):
            self.progress += entry.size
            self._feed.progress(entry.size)
            while self.progress > BACKLOG:
                self.drop()
        if not self._rung:
            self._rung = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(self._next, loop.time()), self.ring)

    def drop(self) -> None:
        """The oldest entry is gone."""
        entry = self._entries.popleft()
        self.first += 1
        if isinstance(entry, Progress):
            self.progress -= entry.size
            self._feed.progress(-entry.size)
        else:
            self.floor = entry.seq

    def forget(self, seq: int) -> None:
        """The feed has dropped this event."""
        while self._entries and self._entries[0].seq <= seq:
            self.drop()
        self.floor = max(self.floor, seq)

    def ring(self) -> None:
        """Everybody's bell, and not again before half of the time can have gone to others."""
        self._rung = False
        now = asyncio.get_running_loop().time()
        self._next = now + len(self.bells) * EACH_S
        for bell in self.bells:
            bell(now)

    async def close(self) -> None:
        """Nobody hears it any more."""
        if self.watching is not None:
            self.watching.cancel()
        self._feed.progress(-self.progress)
        self._entries.clear()
        if self.listening is not None:
            with suppress(NatsError, OSError):  # the connection is away, and with it the subscription
                await self.listening.unsubscribe()


class Feed:
    """Of one tenant, as long as somebody follows it and a little longer: those who were cut off come back."""

    def __init__(self, nc: Client, tenant: str, standing: Standing, count: Callable[[int], None]) -> None:
        self.epoch = standing.epoch
        self.over = False
        self.progress = count
        self.channels: dict[object, Channel] = {}
        self.floor = max(0, standing.last - KEPT, standing.first - 1)
        self._nc, self._tenant = nc, tenant
        self._tail = Tail(nc, f"ql.evt.{subjects.token(tenant)}.>", self.floor, self._take)
        self._kept: deque[Fact] = deque()
        self._bytes = 0
        self._of: defaultdict[str, list[Channel]] = defaultdict(list)
        self._joining = asyncio.Lock()

    @property
    def last(self) -> int:
        """The place in the stream of the newest event."""
        return self._tail.last

    async def open(self) -> None:
        """Until the newest events are here; raises `LiveDown`."""
        try:
            async with asyncio.timeout(OPEN_S):
                await self._tail.open()
                await self._tail.caught_up.wait()
        except TimeoutError as error:
            raise LiveDown("the stream's newest events do not come") from error
        finally:
            if not self._tail.caught_up.is_set():  # also where who asked for it has gone
                await self._tail.close()

    async def look(self, live: Live) -> None:
        """Notice what went wrong: a tail that is silent, or a stream that was made anew (`over`)."""
        await self._tail.look()
        try:
            standing = await live.standing()
        except LiveDown:
            return  # it is asked again
        if standing.epoch != self.epoch:
            self.end()

    def end(self) -> None:
        """Nobody is told more by this one."""
        self.over = True
        for channel in self.channels.values():
            channel.ring()

    async def close(self) -> None:
        """Hear nothing more."""
        self.end()
        await self._tail.close()

    async def join(self, wanted: Wanted, bell: Callable[[float], None]) -> Channel:
        """The channel of these wishes, with one more bell; raises `LiveDown`."""
        async with self._joining:
            channel = self.channels.get(wanted.key)
            if channel is None:
                channel = Channel(wanted, self, [fact for fact in self._kept if wanted.has(fact)])
                self.channels[wanted.key] = channel
                self._of[wanted.workflow].append(channel)
            channel.bells.add(bell)
            try:
                if wanted.progress and channel.listening is None:
                    await self._hear(channel)
            except (NatsError, OSError) as error:
                await self._leave(channel, bell)
                raise LiveDown(f"the workflow's progress can't be heard: {error!r}") from error
            return channel

    async def leave(self, channel: Channel, bell: Callable[[float], None]) -> None:
        """One bell less; the last one's channel is closed."""
        async with self._joining:
            await self._leave(channel, bell)

    async def _leave(self, channel: Channel, bell: Callable[[float], None]) -> None:
        channel.bells.discard(bell)
        if channel.bells:
            return
        of = channel.wanted.workflow
        del self.channels[channel.wanted.key]
        self._of[of].remove(channel)
        if not self._of[of]:
            del self._of[of]
        await channel.close()

    async def _hear(self, channel: Channel) -> None:
        workflow = channel.wanted.workflow

        async def take(message: Msg) -> None:
            channel.add(Progress(self.last, message.data))

        pattern = subjects.live(self._tenant, workflow, "x").removesuffix("x") + ">"
        channel.listening = await self._nc.subscribe(pattern, cb=take)
        await round_trip(self._nc, FLUSH_S)  # whoever is told of an event is told of the progress behind it
        channel.watching = asyncio.create_task(self._watch(workflow))

    async def _watch(self, workflow: str) -> None:
        """As long as somebody follows, the model routers are told to tell their texts as they come."""
        subject = subjects.watched(self._tenant, workflow)
        while True:
            with suppress(NatsError, OSError):  # it is said again
                await self._nc.publish(subject)
            await asyncio.sleep(WATCH_S)

    def _take(self, seq: int, message: Msg) -> None:
        fact = Fact(seq, message.subject, message.headers or {}, message.data, self.epoch)
        self._kept.append(fact)
        self._bytes += fact.size
        for channel in self._channels(fact):
            channel.add(fact)
        while len(self._kept) > KEPT or self._bytes > KEPT_BYTES:
            gone = self._kept.popleft()
            self._bytes -= gone.size
            self.floor = gone.seq
            for channel in self._channels(gone):
                channel.forget(gone.seq)

    def _channels(self, fact: Fact) -> list[Channel]:
        near = (*self._of.get(fact.workflow, ()), *self._of.get("", ()))
        return [channel for channel in near if channel.wanted.has(fact)]


class Feeds:
    """Of a gateway process."""

    def __init__(self, nc: Client, live: Live) -> None:
        self._nc, self._live = nc, live
        self._open: dict[str, Feed] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._progress = 0
        self._idle: dict[str, int] = {}
        self._looking = asyncio.create_task(self._look())

    async def of(self, tenant: str, standing: Standing) -> Feed:
        """The tenant's feed; raises `LiveDown`."""
        async with self._opening[tenant]:
            feed = self._open.get(tenant)
            if feed is not None and feed.epoch != standing.epoch:
                await self._end(tenant, feed)
                feed = None
            if feed is None:
                feed = Feed(self._nc, tenant, standing, self._count)
                await feed.open()
                self._open[tenant] = feed
            self._idle.pop(tenant, None)
            return feed

    async def close(self) -> None:
        """Hear nothing more."""
        self._looking.cancel()
        for tenant, feed in list(self._open.items()):
            await self._end(tenant, feed)

    async def _end(self, tenant: str, feed: Feed) -> None:
        del self._open[tenant]
        await feed.close()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for tenant, feed in list(self._open.items()):
                await feed.look(self._live)
                async with self._opening[tenant]:
                    idle = 0 if feed.channels else self._idle.get(tenant, 0) + 1
                    self._idle[tenant] = idle
                    if self._open.get(tenant) is feed and (feed.over or idle > LINGER):
                        await self._end(tenant, feed)

    def _count(self, bytes_: int) -> None:
        self._progress += bytes_
        if bytes_ > 0 and self._progress > BACKLOGS:
            channels = [channel for feed in self._open.values() for channel in feed.channels.values()]
            fullest = max(channels, key=lambda channel: channel.progress)
            while self._progress > BACKLOGS and fullest.progress:
                fullest.drop()
