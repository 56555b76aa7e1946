"""One private inbox for the replies to all questions of a connection, each at an address of its own.

A subscription for each costs the server and the client more than the question does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg

Replies = asyncio.Queue[Msg]


class Inbox:
    """One a connection."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._prefix = ""
        self._asked = 0
        self._waiting: dict[str, Replies] = {}
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Listen, if nobody did before."""
        async with self._opening:
            if not self._prefix:
                prefix = self._nc.new_inbox()
                await self._nc.subscribe(f"{prefix}.*", cb=self._arrived)
                self._prefix = f"{prefix}."

    @contextmanager
    def address(self) -> Iterator[tuple[str, Replies]]:
        """Where replies may be sent to, and those that came; what comes later is nobody's."""
        self._asked += 1
        address, replies = f"{self._prefix}{self._asked}", Replies()
        self._waiting[address] = replies
        try:
            yield address, replies
        finally:
            del self._waiting[address]

    async def _arrived(self, message: Msg) -> None:
        if (replies := self._waiting.get(message.subject)) is not None:
            replies.put_nowait(message)
