"""The bus as a gateway sees it: whether it answers, how its stream stands, how much waits in it.

The position of an event is `<stream creation time in µs>-<sequence>`: one from another stream means begin again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from contracts.subjects import STREAM
from workers.kit.runner.connection import DeadConnection, alive

ANSWER_S = 2.5
"""For the bus to answer: on a loaded machine it stands in line behind whoever else asks."""
NO_STREAM = 10059
"""JetStream's code for a stream that is not there."""
_log = structlog.get_logger()


class LiveDown(Exception):
    """The stream can't be followed now; a client may come back with its last position."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Of the stream: when it was made in µs since 1970, and the places of its first and last message."""

    epoch: int
    first: int
    last: int

    def position(self, place: int) -> str:
        """As clients are told it."""
        return f"{self.epoch}-{place}"

    def place(self, position: str) -> int:
        """Of a client's last event; 0, the beginning, where it comes from another stream."""
        epoch, _, place = position.partition("-")
        return int(place) if epoch == str(self.epoch) and place.isdecimal() and len(place) < 19 else 0

    def lost(self, place: int) -> bool:
        """Whether this one is gone, and others behind it may be."""
        return 0 < place < self.first - 1


class Live:
    """On the gateway's connection."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._asked: asyncio.Task[Standing] | None = None

    async def alive(self) -> None:
        """Raises `LiveDown` where this connection is dead and a new one would not be: one that says that it stands
        but carries nothing, or one that was given up. One that is being made again is nobody's fault here."""
        try:
            await alive(self._nc)
        except DeadConnection as error:
            raise LiveDown(str(error)) from error

    async def ready(self) -> None:
        """Raises `LiveDown` when the bus or its stream does not answer."""
        await self.standing()

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

    async def standing(self) -> Standing:
        """Of the stream; those who ask at the same time share one question. Raises `LiveDown`."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asked)

    async def _ask(self) -> Standing:
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
        epoch = _microseconds(answer.created)
        return Standing(epoch=epoch, first=answer.state.first_seq, last=answer.state.last_seq)


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    err_code: int = 0
    description: str = ""


class _StreamState(msgspec.Struct, frozen=True, kw_only=True):
    first_seq: int = 0
    last_seq: int = 0


class _StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    created: str = ""
    state: _StreamState = _StreamState()
    error: _Refusal = _Refusal()


class _ConsumerInfo(msgspec.Struct, frozen=True, kw_only=True):
    num_pending: int | None = None


def _microseconds(created: str) -> int:
    """RFC 3339 with up to nanoseconds, as NATS writes it, in whole µs since 1970."""
    head, _, fraction = created.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{head}+00:00").timestamp())
    return seconds * 1_000_000 + int(f"{fraction:0<6}"[:6])
