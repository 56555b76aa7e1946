"""Lets facts out only to the stream that PostgreSQL remembers: looked at on every new connection, and when in doubt.

It only detects: a stream that is not the one is made anew by the keeper, and the next look finds it right.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts import subjects
from workers.kit.stores.drops import Remembered, StreamMemory

from .api import ApiError, find

CONNECT_S = 5.0
_NEVER = -1


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """To publish one fact: on this connection, to be stored above this sequence."""

    connection: int
    above: int


class Gate:
    """One a publisher. Doubt is told as a sentence; '' is none."""

    def __init__(self, nc: Client, memory: StreamMemory) -> None:
        self._nc = nc
        self._memory = memory
        self._right_on = _NEVER
        self._highest = 0
        self._one = asyncio.Lock()

    async def leave(self) -> Leave | str:
        """Leave to publish now, or why not. Waits a little for a connection; a store or a bus that is away raises."""
        if self._nc.is_connected and self._right_on == self._nc.stats["reconnects"]:
            return Leave(connection=self._right_on, above=self._highest)
        async with self._one:
            await self._connected()
            connection = self._nc.stats["reconnects"]
            if self._right_on != connection:
                remembered = await self._memory.remembered()  # before the stream is looked at, which only grows
                if reason := await _fault(self._nc, remembered):
                    return reason
                self._right_on, self._highest = connection, remembered.seq
            return Leave(connection=connection, above=self._highest)

    def doubt(self, leave: Leave, seq: int, *, new: bool) -> str:
        """Why a message that stands at `seq` can't be trusted to stay there; `new`: it was stored just now."""
        if self._nc.stats["reconnects"] != leave.connection:
            return "the connection was lost meanwhile"
        if new and seq <= leave.above:
            self._right_on = _NEVER
            return f"it was stored at {seq}, not above {leave.above}"
        if self._right_on != leave.connection:
            return "the stream was found to be another one meanwhile"
        self._highest = max(self._highest, seq)
        return ""

    async def _connected(self) -> None:
        """The client would keep what is published now, and send it before anybody could look."""
        async with asyncio.timeout(CONNECT_S):
            while not self._nc.is_connected:  # noqa: ASYNC110  # the client tells it to its owner only
                await asyncio.sleep(0.02)


async def _fault(nc: Client, remembered: Remembered) -> str:
    try:
        info = await find(nc, f"STREAM.INFO.{subjects.STREAM}")
        if info is None:
            return "the stream is not there"
        if info["created"] != remembered.created:
            return f"the stream was made at {info['created']}, not at {remembered.created or 'any time known'}"
        return await lost(nc, info, remembered.seq, remembered.event)
    except ApiError as error:
        return str(error)


async def lost(nc: Client, info: dict[str, Any], seq: int, event: str) -> str:
    """Why the stream with this info can't be the one that holds `event` at `seq`, our highest (0: none); '' if it may.

    One that begins above our sequences can't be mistaken in them.
    """
    state = info["state"]
    if not seq or seq < state["first_seq"]:
        return ""
    if seq > state["last_seq"]:
        return f"the stream ends at {state['last_seq']}, before {event} at {seq}"
    found = await find(nc, f"STREAM.MSG.GET.{subjects.STREAM}", {"seq": seq})
    if found is None or _message_id(found["message"]) != event:
        return f"{event} does not stand at {seq}"
    return ""


def _message_id(message: dict[str, Any]) -> str:
    """The Nats-Msg-Id in a raw message's headers."""
    head = base64.b64decode(message.get("hdrs", "")).decode(errors="replace")
    lines = (line.partition(":") for line in head.split("\r\n"))
    return next((value.strip() for name, _, value in lines if name == "Nats-Msg-Id"), "")
