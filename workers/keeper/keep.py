"""Notices a lost stream and makes a new one that the old sequences can't be mistaken in.

PostgreSQL remembers when the stream was created and which event stands highest in it. A stream of another time, or one
without that event, is not the one: it is made again above that sequence, and the relays publish what it should hold.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any

import structlog
from nats.aio.client import Client

from contracts import subjects
from contracts.topology import Topology
from workers.kit.settings import Settings
from workers.kit.stores.drops import StoredEvent, StreamLedger

from .api import call, find
from .provision import DEAD_STREAM, EVENT_STREAM, RETENTION_S, make_durable, make_stream

WATCH_S = 3.0
SETTLED_S = 30.0

log = structlog.get_logger(__name__)


class Keeper:
    """Keeps the streams of one installation."""

    def __init__(self, nc: Client, ledger: StreamLedger, topology: Topology, settings: Settings) -> None:
        self._nc = nc
        self._ledger = ledger
        self._topology = topology
        self._settings = settings
        self._soon = asyncio.Event()
        self._provisioned = False
        self._adopt_again = 0.0

    def reconnected(self) -> None:
        """Look at once: the server may have come back without its store."""
        self._soon.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Provision, say so once by `ready`, then look every few seconds, until cancelled."""
        while True:
            try:
                first = not self._provisioned
                await self.keep()
                if first:
                    ready()
            except Exception as error:  # noqa: BLE001  # the bus or the store is away; a keeper that ends keeps nothing
                log.warning("keeper.failed", error=str(error) or type(error).__name__)
            self._soon.clear()
            try:
                await asyncio.wait_for(self._soon.wait(), WATCH_S)
            except TimeoutError:
                continue

    async def keep(self) -> None:
        """Make everything as it should be. Raises when the bus or the store is away."""
        highest = await self._ledger.highest()  # before the stream is looked at, which only grows
        info = await find(self._nc, f"STREAM.INFO.{subjects.STREAM}")
        if info is not None and highest is not None and (reason := await self._lost(info, highest)):
            log.error("stream.lost", reason=reason)
            await call(self._nc, f"STREAM.DELETE.{subjects.STREAM}")
            info = None
        if info is None or not self._provisioned:
            info = await make_stream(self._nc, EVENT_STREAM, first_seq=highest.seq + 1 if highest else 0)
        if info["created"] != await self._ledger.stream_created():
            await self._adopt(info["created"])
            self._adopt_again = time.monotonic() + SETTLED_S
        elif self._adopt_again and time.monotonic() > self._adopt_again:
            # A worker may have had its answer from the old stream, and noted it after we had forgotten the rest.
            await self._adopt(info["created"])
            self._adopt_again = 0
        await self._make_the_rest()
        self._provisioned = True

    async def _adopt(self, created: str) -> None:
        again = await self._ledger.adopt(created, since_s=RETENTION_S)
        log.info("stream.adopted", created=created, events_to_send=again)

    async def _lost(self, info: dict[str, Any], highest: StoredEvent) -> str:
        """Why this stream can't be the one that holds our events; '' when it may be.

        One of another creation time is only adopted, not made again, if it begins above our sequences.
        """
        state = info["state"]
        if highest.seq < state["first_seq"]:
            return ""
        if highest.seq > state["last_seq"]:
            return f"it ends at {state['last_seq']}, before {highest.id} at {highest.seq}"
        found = await find(self._nc, f"STREAM.MSG.GET.{subjects.STREAM}", {"seq": highest.seq})
        if found is None or _message_id(found["message"]) != highest.id:
            return f"{highest.id} does not stand at {highest.seq}"
        return ""

    async def _make_the_rest(self) -> None:
        """The dead letters' stream and the durables: all at the first look (settings may be new), later the missing."""
        if not self._provisioned or await find(self._nc, f"STREAM.INFO.{subjects.DEAD_STREAM}") is None:
            await make_stream(self._nc, DEAD_STREAM)
        there = await call(self._nc, f"CONSUMER.NAMES.{subjects.STREAM}") if self._provisioned else {}
        for stage in self._topology.stages:
            if stage not in (there.get("consumers") or ()):
                await make_durable(self._nc, stage, self._topology, self._settings)


def _message_id(message: dict[str, Any]) -> str:
    """The Nats-Msg-Id in a raw message's headers."""
    head = base64.b64decode(message.get("hdrs", "")).decode(errors="replace")
    lines = (line.partition(":") for line in head.split("\r\n"))
    return next((value.strip() for name, _, value in lines if name == "Nats-Msg-Id"), "")
