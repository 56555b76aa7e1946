"""The end of the stream as it grows, for one tenant: a push consumer on the gateway's connection, made again behind
the last event that came wherever one is missing or nothing at all is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from contracts.subjects import STREAM
from gateway.live import LiveDown
from workers.kit.runner.api import ApiError, call

HEARTBEAT_S = 2.0
SILENT_S = 5.0
INACTIVE_S = 10.0
"""Until the server forgets a consumer that nobody hears."""
_NS = 1_000_000_000
_log = structlog.get_logger()


class Tail:
    """`take` is told of each message and its place in the stream: each place once, in order."""

    def __init__(self, nc: Client, pattern: str, after: int, take: Callable[[int, Msg], None]) -> None:
        self.caught_up = asyncio.Event()
        self.last = after
        self._nc, self._pattern, self._take = nc, pattern, take
        self._heard = 0.0
        self._turn, self._came = 0, 0  # which consumer this is, and how many came from it
        self._opening = asyncio.Lock()
        self._from: Subscription | None = None
        self._broken = False

    async def open(self) -> None:
        """Begin behind the last one that came; raises `LiveDown`."""
        async with self._opening:
            await self._close()
            self._came, self._broken, self._heard = 0, False, _now()
            inbox, turn = self._nc.new_inbox(), self._turn

            async def heard(message: Msg) -> None:
                if turn == self._turn and not self._broken:  # else of a consumer that was given up
                    self._message(message)

            try:
                self._from = await self._nc.subscribe(inbox, cb=heard)
                made = await call(self._nc, f"CONSUMER.CREATE.{STREAM}", self._config(inbox))
            except (NatsError, OSError, ApiError) as error:
                await self._close()
                self._broken = True
                raise LiveDown(f"the stream {STREAM} can't be followed: {error}") from error
            if not made["num_pending"]:
                self.caught_up.set()

    async def look(self) -> None:
        """To be called every second or so: opens it again where something is wrong."""
        if self._opening.locked() or not (self._broken or _now() - self._heard > SILENT_S):
            return
        _log.info("tail_again", pattern=self._pattern, after=self.last)
        try:
            await self.open()
        except LiveDown as error:
            _log.warning("tail_away", error=str(error))

    async def close(self) -> None:
        """Hear nothing more."""
        async with self._opening:
            await self._close()

    async def _close(self) -> None:
        self._turn += 1
        old, self._from = self._from, None
        if old is not None:
            with suppress(NatsError, OSError):  # the connection is away, and with it the subscription
                await old.unsubscribe()

    def _config(self, inbox: str) -> dict[str, object]:
        config: dict[str, object] = {
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.last + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subject": self._pattern,
            "idle_heartbeat": int(HEARTBEAT_S * _NS),
            "inactive_threshold": int(INACTIVE_S * _NS),
            "mem_storage": True,
            "num_replicas": 1,
        }
        return {"stream_name": STREAM, "config": config}

    def _message(self, message: Msg) -> None:
        self._heard = _now()
        if message.headers and "Status" in message.headers:
            if int(message.headers.get("Nats-Last-Consumer", self._came)) != self._came:
                self._broken = True
            return
        place = message.metadata
        self._came += 1
        if place.sequence.consumer != self._came:
            self._broken = True
            return
        if place.sequence.stream > self.last:
            self.last = place.sequence.stream
            self._take(self.last, message)
        if not place.num_pending:
            self.caught_up.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
