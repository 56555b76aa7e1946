"""Many clients of one event stream in one process, as little of an HTTP client as will do: what each was told, and when
the last was. `python -m tests.bench.followers PORT CLIENTS`; it says `warm` when all are connected, and what it saw for
each line with a place of the stream, when all were told of that one.
"""

from __future__ import annotations

import asyncio
import random
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec
import uvloop

CONNECTS_A_SECOND = 500
BACK_S = (0.1, 1.0)
PATIENCE_S = 60.0
_EVENT = re.compile(rb"id: (\d+-(\d+))\nevent: [^\n]+\ndata: [^\n]*\n\n")
_BEGIN = re.compile(rb"retry: \d+\nid: (\d+-\d+)\n\n")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What all were told: `stories` are the places in order, each with how many clients were told just that; `last` is
    when the last client was told of a place, on the machine's monotonic clock."""

    stories: list[tuple[list[int], int]]
    last: dict[int, float]
    connects: int


class Clients:
    """All of them."""

    def __init__(self, port: int, count: int) -> None:
        self.port = port
        self.all = [Client(self) for _ in range(count)]
        self.last: dict[int, float] = {}
        self.connects = 0

    async def start(self) -> None:
        """Until each was told where the stream stands."""
        for number, client in enumerate(self.all):
            client.connect()
            if number % 50 == 49:
                await asyncio.sleep(50 / CONNECTS_A_SECOND)
        await self.until(lambda client: bool(client.position))

    async def until(self, there: Callable[[Client], bool]) -> None:
        """All are there, or the patience is over."""
        until = time.monotonic() + PATIENCE_S
        while not all(there(client) for client in self.all) and time.monotonic() < until:  # noqa: ASYNC110  a thousand tell nobody
            await asyncio.sleep(0.05)

    def seen(self) -> Seen:
        """So far."""
        stories = Counter(tuple(client.places) for client in self.all)
        return Seen(
            stories=[(list(story), count) for story, count in stories.items()], last=self.last, connects=self.connects
        )


class Client(asyncio.Protocol):
    """One, which comes back with the last id it saw."""

    def __init__(self, among: Clients) -> None:
        self.position = b""
        self.places: list[int] = []
        self._among = among
        self._rest = b""

    def connect(self) -> None:
        """Now."""
        asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        while True:
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._among.port)
                return
            except OSError:
                await asyncio.sleep(_back())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._among.connects += 1
        self._rest = b""
        last = b"Last-Event-ID: %s\r\n" % self.position if self.position else b""
        cast(asyncio.Transport, transport).write(b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n" % last)

    def data_received(self, data: bytes) -> None:
        told = self._rest + data
        end, now = 0, time.monotonic()
        if not self.position and (begin := _BEGIN.search(told)):
            self.position = begin[1]
        for event in _EVENT.finditer(told):
            self.position, place, end = event[1], int(event[2]), event.end()
            self.places.append(place)
            self._among.last[place] = now
        self._rest = told[end:]

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().call_later(_back(), self.connect)


def _told(place: int, client: Client) -> bool:
    return client.places[-1:] == [place]


def _back() -> float:
    return random.uniform(*BACK_S)  # noqa: S311  no secret


async def _main(port: int, count: int) -> None:
    clients = Clients(port, count)
    await clients.start()
    sys.stdout.write("warm\n")
    sys.stdout.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        place = int(line)
        await clients.until(partial(_told, place))
        sys.stdout.write(f"seen {msgspec.json.encode(clients.seen()).decode()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2])))
