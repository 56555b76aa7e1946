"""Notices a lost stream and makes a new one that the old sequences can't be mistaken in.

PostgreSQL remembers when the stream was created and which event stands highest in it. A stream of another time, or one
without that event, is not the one: it is made again far above that sequence, and the relays publish what it should
hold. Nothing here takes longer where the history is long: only the events of active workflows are touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import structlog
from nats.aio.client import Client

from contracts import subjects
from contracts.topology import Topology
from workers.kit.durability import fill, max_storage, server_config
from workers.kit.runner.api import find
from workers.kit.runner.gate import lost
from workers.kit.settings import Settings
from workers.kit.stores.drops import Remembered, StreamLedger

from .provision import (
    DEAD_STREAM,
    HEALTH_STREAM,
    durable,
    event_stream,
    make_durable,
    make_stream,
    observer,
    room,
)

WATCH_S = 3.0
SETTLED_S = 30.0
FAR = 1_000_000_000
"""A new stream begins twice as far above the highest sequence that was noted, and none that begins closer is believed
to be one: what the old stream had answered, and a worker notes late, is below it."""
STUCK_S = 300.0
"""More than a look takes with servers that are slow in all that is asked of them, which has times of its own."""

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
        self._told = ""
        self._looked = time.monotonic()

    def ping(self) -> None:
        """Raises where nobody looks any more."""
        if (ago := time.monotonic() - self._looked) > STUCK_S:
            raise RuntimeError(f"the keeper's last look began {ago:.0f} s ago")

    def reconnected(self) -> None:
        """Look at once: the server may have come back without its store."""
        self._soon.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Provision, say so once by `ready`, then look every few seconds, until cancelled."""
        while True:
            self._looked = time.monotonic()
            try:
                first = not self._provisioned
                await self.keep()
                if first:
                    ready()
            except Exception as error:  # noqa: BLE001  # the bus or the store is away; a keeper that ends keeps nothing
                log.warning("keeper.failed", error=str(error) or type(error).__name__)
            self._soon.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):  # wait_for of Python 3.11 may lose a cancellation
                    await self._soon.wait()

    async def keep(self) -> None:
        """Make everything as it should be. Raises when the bus or the store is away."""
        known = await self._ledger.remembered()  # before the stream is looked at, which only grows
        info = await find(self._nc, f"STREAM.INFO.{subjects.STREAM}")
        if info is not None and (reason := await lost(self._nc, info, known.seq, known.event) or _close(info, known)):
            log.error("stream.lost", reason=reason)
            info = await self._without(info["created"])
        if info is None or not self._provisioned:
            info = await make_stream(self._nc, event_stream(await self._room()), first_seq=_beginning(known))
        if info["created"] != known.created:
            await self._adopt(info, known.created)
        await self._make_the_rest()
        if revived := await self._ledger.revive():
            log.info("stream.revived", events=revived)
        self._provisioned = True
        self._warn(fill(info))

    async def _room(self) -> int:
        wanted, limit = self._settings.nats_max_bytes, max_storage(await server_config(self._nc))
        allowed = room(wanted, limit)
        if allowed < wanted:
            log.warning("stream.smaller", bytes=allowed, wanted=wanted, max_file_store=limit)
        return allowed

    def _warn(self, told: str) -> None:
        """Once, when the stream is nearly full; once more when it is not any longer."""
        if told and not self._told:
            log.error("stream.full", reason=told)
        elif self._told and not told:
            log.info("stream.has_room")
        self._told = told

    async def _without(self, created: str) -> dict[str, Any] | None:
        """Deletes the stream of that time; another keeper's new one stays, and is the answer."""
        info = await find(self._nc, f"STREAM.INFO.{subjects.STREAM}")
        if info is None or info["created"] != created:
            return info
        await find(self._nc, f"STREAM.DELETE.{subjects.STREAM}")
        return None

    async def _adopt(self, info: dict[str, Any], was: str) -> None:
        created, first_seq = info["created"], _first(info)
        if await self._ledger.adopt(created, was, first_seq=first_seq, again_s=SETTLED_S):
            log.info("stream.adopted", created=created, first_seq=first_seq)

    async def _make_the_rest(self) -> None:
        """The other streams and the durables: all at the first look (settings may be new), later the missing."""
        for stream in (DEAD_STREAM, HEALTH_STREAM):
            if not self._provisioned or await find(self._nc, f"STREAM.INFO.{stream['name']}") is None:
                await make_stream(self._nc, stream)
        wanted = [durable(stage, self._topology, self._settings) for stage in self._topology.stages]
        wanted += [observer(name, self._settings) for name in subjects.OBSERVERS]
        for config in wanted:  # by name: a list of all has many pages where others follow the stream
            asked = f"CONSUMER.INFO.{subjects.STREAM}.{config['name']}"
            if not self._provisioned or await find(self._nc, asked) is None:
                await make_durable(self._nc, config)


def _beginning(known: Remembered) -> int:
    """Of a stream that follows the known one; 0: it is the first of all."""
    return max(known.first_seq, known.seq) + 2 * FAR if known.created or known.seq else 0


def _close(info: dict[str, Any], known: Remembered) -> str:
    """Why the stream of this info can't follow the known one; '' if it may, or is the known one."""
    if info["created"] == known.created or _first(info) >= max(_beginning(known) - FAR, 0):
        return ""
    return f"the stream was made at {info['created']}, not at {known.created}, and begins at {_first(info)}"


def _first(info: dict[str, Any]) -> int:
    first: int = info["config"].get("first_seq", 0)
    return first
