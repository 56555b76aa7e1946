"""Following the stream for one workflow: its events from the beginning or from where a client left off, then live.

The position of an event is `<stream creation time in µs>-<sequence>`: one from another stream means begin again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import ConsumerConfig, DeliverPolicy

from contracts import cloudevents, subjects
from contracts.subjects import STREAM
from contracts.topology import LIFECYCLE
from workers.kit.llm.wire import WATCH_S
from workers.kit.runner.connection import DeadConnection, alive

BACKLOG = 256 << 10
"""Bytes that may wait for one slow follower; beyond them it is told to come back."""
BACKLOGS = 64 << 20
"""Bytes that may wait for all followers of a process; beyond them whoever has most waiting is told to come back."""
OBJECT = 1 << 10
"""Bytes that a message costs beside its own."""
OPENING = 32
"""Consumers asked for at once: JetStream makes them in turn, and what waits behind a thousand runs out of time."""
PING_S = 15.0
ANSWER_S = 2.5
"""For the bus to answer: on a loaded machine it stands in line behind whoever else asks."""
NO_STREAM = 10059
"""JetStream's code for a stream that is not there."""
_log = structlog.get_logger()


class LiveDown(Exception):
    """The stream can't be followed now; a client may come back with its last position."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell: an event with position and type, progress without either, that nothing came (`ping`), or
    that the follower was too slow (`lag`), which ends the following."""

    kind: Literal["event", "progress", "ping", "lag"]
    position: str = ""
    id: str = ""
    type: str = ""
    body: bytes = b""
    terminal: bool = False


class Live:
    """Opens one ordered consumer a follower, on the gateway's connection."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._js = nc.jetstream()
        self._asked: asyncio.Task[int] | None = None
        self._opening = asyncio.Semaphore(OPENING)
        self._backlogs = _Backlogs()

    @property
    def waiting(self) -> int:
        """Bytes that wait for all followers."""
        return self._backlogs.bytes

    async def alive(self) -> None:
        """Raises `LiveDown` where this connection is dead and a new one would not be: one that says that it stands
        but carries nothing, or one that was given up. One that is being made again is nobody's fault here."""
        try:
            await alive(self._nc)
        except DeadConnection as error:
            raise LiveDown(str(error)) from error

    async def ready(self) -> None:
        """Raises `LiveDown` when the bus or its stream does not answer."""
        await self._epoch()

    async def queued(self, durables: Sequence[str]) -> dict[str, int]:
        """Messages that nobody has taken yet, by durable; none for one that the bus does not tell of."""
        said = await asyncio.gather(*(self._pending(durable) for durable in durables))
        return {durable: pending for durable, pending in zip(durables, said, strict=True) if pending is not None}

    async def _pending(self, durable: str) -> int | None:
        try:
            answer = await self._nc.request(f"$JS.API.CONSUMER.INFO.{STREAM}.{durable}", b"", timeout=ANSWER_S)
            return msgspec.json.decode(answer.data, type=_ConsumerInfo).num_pending
        except (NatsError, OSError, msgspec.DecodeError):
            return None

    async def before(self, sequence: int) -> str:
        """The position right before this one of the stream of today; raises `LiveDown`."""
        return f"{await self._epoch()}-{sequence - 1}"

    async def follow(self, tenant: str, workflow: str, after: str = "") -> AsyncGenerator[Seen, None]:
        """Everything after position `after` ('' from the start), until the caller has enough; ends after a `lag`.

        Raises `LiveDown` when the stream can't be read.
        """
        epoch = await self._epoch()
        start = _sequence(after, epoch) + 1
        pattern = f"ql.evt.{subjects.token(tenant)}.{subjects.token(workflow)}.>"
        config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start)
        async with AsyncExitStack() as opened:
            heard = opened.enter_context(self._backlogs.heard())
            try:
                progress = await self._nc.subscribe(  # before the events: their consumer's answer says it is there
                    subjects.live(tenant, workflow, "x").removesuffix("x") + ">", cb=heard.take
                )
                opened.push_async_callback(progress.unsubscribe)
                opened.callback(asyncio.create_task(self._watch(tenant, workflow)).cancel)
                async with self._opening:
                    events = await self._js.subscribe(
                        pattern, stream=STREAM, ordered_consumer=True, config=config, cb=heard.take
                    )
                opened.push_async_callback(events.unsubscribe)
            except (NatsError, OSError) as error:
                raise LiveDown(f"the stream {STREAM} can't be followed: {error}") from error
            async for seen in _told(heard, epoch):
                yield seen

    async def _watch(self, tenant: str, workflow: str) -> None:
        """As long as somebody follows, the model routers are told to tell their texts as they come."""
        subject = subjects.watched(tenant, workflow)
        while True:
            with suppress(NatsError, OSError):  # it is said again
                await self._nc.publish(subject)
            await asyncio.sleep(WATCH_S)

    async def _epoch(self) -> int:
        """When the stream was made; those who ask at the same time share one question."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asked)

    async def _ask(self) -> int:
        try:
            info = await self._nc.request(f"$JS.API.STREAM.INFO.{STREAM}", b"", timeout=ANSWER_S)
        except NoRespondersError as error:
            raise LiveDown("NATS answers, but its JetStream does not") from error
        except (NatsError, OSError) as error:
            raise LiveDown(f"NATS does not answer: {error}") from error
        answer = msgspec.json.decode(info.data, type=_StreamInfo)
        if answer.error.err_code not in {0, NO_STREAM}:
            raise LiveDown(f"JetStream refuses: {answer.error.description}")
        if not answer.created:
            raise LiveDown(f"there is no stream {STREAM} yet: is the keeper running?")
        return _microseconds(answer.created)


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    err_code: int = 0
    description: str = ""


class _StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    created: str = ""
    error: _Refusal = _Refusal()


class _ConsumerInfo(msgspec.Struct, frozen=True, kw_only=True):
    num_pending: int | None = None


class _Backlogs:
    """What waits for all followers together."""

    def __init__(self) -> None:
        self.bytes = 0
        self._all: set[_Heard] = set()

    @contextmanager
    def heard(self) -> Iterator[_Heard]:
        """For one follower, for as long as it follows."""
        heard = _Heard(self)
        self._all.add(heard)
        try:
            yield heard
        finally:
            self._all.discard(heard)
            heard.forget()

    def relieve(self) -> None:
        """End the slowest until the others' fit."""
        while self.bytes > BACKLOGS:
            max(self._all, key=lambda heard: heard.bytes).lose(all_=True)


class _Heard:
    """What has come and was not told yet: bounded, in the client library too, because `take` never waits."""

    def __init__(self, among: _Backlogs) -> None:
        self.bytes = 0
        self._among = among
        self._messages: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._lost = False

    async def take(self, message: Msg) -> None:
        if self._lost:
            return
        size = _size(message)
        if self.bytes and self.bytes + size > BACKLOG:
            self.lose()
            return
        self._count(size)
        self._messages.put_nowait(message)
        self._among.relieve()

    def lose(self, *, all_: bool = False) -> None:
        """Take no more; with `all_`, forget what waits too."""
        if all_:
            self.forget()
        self._lost = True
        self._messages.put_nowait(None)

    def forget(self) -> None:
        """Nothing waits here any more."""
        self._count(-self.bytes)
        while not self._messages.empty():
            self._messages.get_nowait()

    async def next(self) -> Msg | None:
        """The next message, or None where the first one was lost; raises TimeoutError after a silence."""
        message = await asyncio.wait_for(self._messages.get(), PING_S)
        if message is not None:
            self._count(-_size(message))
        return message

    def _count(self, size: int) -> None:
        self.bytes += size
        self._among.bytes += size


def _size(message: Msg) -> int:
    headers = sum(len(name) + len(value) for name, value in (message.headers or {}).items())
    return OBJECT + len(message.data) + headers


async def _told(heard: _Heard, epoch: int) -> AsyncIterator[Seen]:
    while True:
        try:
            message = await heard.next()
        except TimeoutError:
            yield Seen(kind="ping")
            continue
        if message is None:
            yield Seen(kind="lag")
            return
        if message.subject.startswith("ql.live."):
            yield Seen(kind="progress", body=message.data)
            continue
        try:
            event = cloudevents.from_binary(message.headers, message.data)
        except cloudevents.BadEvent as error:  # the stages' dead letters tell of it; a follower goes on
            _log.warning("event_left_out", subject=message.subject, error=str(error))
            continue
        parts = event.parts
        yield Seen(
            kind="event",
            position=f"{epoch}-{message.metadata.sequence.stream}",
            id=event.id,
            type=event.type,
            body=cloudevents.to_structured(event),
            terminal=is_terminal(parts.stage, parts.outcome),
        )


def is_terminal(stage: str, outcome: str) -> bool:
    """Whether this outcome ends the workflow, unless it is resumed."""
    return stage == LIFECYCLE and outcome in {"completed", "failed", "cancelled", "expired"}


def _sequence(position: str, epoch: int) -> int:
    prefix, _, sequence = position.partition("-")
    return int(sequence) if prefix == str(epoch) and sequence.isdecimal() and len(sequence) < 19 else 0


def _microseconds(created: str) -> int:
    """RFC 3339 with up to nanoseconds, as NATS writes it, in whole µs since 1970."""
    head, _, fraction = created.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{head}+00:00").timestamp())
    return seconds * 1_000_000 + int(f"{fraction:0<6}"[:6])
