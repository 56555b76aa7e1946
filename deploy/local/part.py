"""One server of the stack, started where it was before: on the same ports, on the same data.

One that dies is started again, after a pause, a few times a minute; then it is given up. One that was stopped on
purpose stays down.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.credentials import Credentials
from deploy.local.errors import PortTakenError, StackError
from deploy.local.ports import free_ports
from deploy.local.server import Server, tail

PORT_TRIES = 4
RESTARTS, WINDOW_S = 5, 60.0
LEAST_FREE = 16 << 20
ROOM = 64 << 20
"""What a disk that was full must have before it counts as having room: one that goes up and down is not told twice."""
ROOM_EVERY_S, REST_S = 1.0, 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a server is started with; `lock` is the data folder's, which it inherits."""

    folder: Path
    logs: Path
    secrets: Credentials
    lock: int


def is_full(folder: Path, least: int = LEAST_FREE) -> bool:
    """Too full for a server to write in; of a folder that is gone its nearest parent tells."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(FileNotFoundError):
            return shutil.disk_usage(place).free < least
    return False


Begin = Callable[[Sequence[int]], Awaitable[Server]]
"""Starts the server on these ports; it has answered its probe."""


class Part:
    """`ports` says how many it needs, `folder` where its data is."""

    def __init__(self, begin: Begin, ports: int, folder: Path, said: Callable[[str], None]) -> None:
        self._begin = begin
        self._folder = folder
        self._count = ports
        self._said = said
        self._one = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._server: Server | None = None
        self._hopeless: StackError | None = None
        self.ports: Sequence[int] = ()

    @property
    def pid(self) -> int:
        """0 while there is none."""
        return self._server.process.pid if self._server is not None and self._server.alive else 0

    async def start(self) -> None:
        async with self._one:
            if not self.pid:
                self._server = await self._begun()
            self._wanted.set()

    async def stop(self, *, kill: bool = False) -> None:
        self._wanted.clear()
        async with self._one:
            if self._server is not None:
                await self._server.stop(kill=kill)

    async def restart(self, reason: str) -> None:
        """For a server that lives and does not do its work."""
        self._said(f"{reason} It is started again.")
        async with self._one:
            if self._server is not None and self._wanted.is_set():
                await self._server.stop()
                with contextlib.suppress(StackError):  # `tend` finds it dead then, and tries again
                    self._server = await self._begun()

    async def give_up(self, reason: str) -> None:
        """For a server that lives, and that no restart helped: `tend` returns it with the log's last words."""
        async with self._one:
            if (server := self._server) is not None:
                log = server.command.log
                self._hopeless = StackError(f"{reason} It was started again in vain; {log} says: {tail(log)}")
                await server.stop()

    async def tend(self) -> StackError:
        """Starts it again whenever it dies; returns why it was given up, whatever the reason."""
        try:
            return await self._tended()
        except Exception as error:  # noqa: BLE001  # who waits for us tells it to a person, and ends
            return StackError(f"The server of {self._folder} can't be kept: {str(error) or type(error).__name__}.")

    async def _tended(self) -> StackError:
        deaths: deque[float] = deque([-math.inf] * RESTARTS, maxlen=RESTARTS)
        while True:
            await self._wanted.wait()
            error = await self._death()
            if self._hopeless is not None:
                return self._hopeless
            if error is None:
                continue
            now = asyncio.get_running_loop().time()
            if await self._waited_for_room():
                continue
            if now - deaths[0] < WINDOW_S:
                return error
            recent = sum(now - death < WINDOW_S for death in deaths)
            deaths.append(now)
            self._said(f"{error} It is started again.")
            await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**recent))

    async def outlast(self) -> None:
        """Starts it again when its disk was full and has room, at most once in `REST_S`, until cancelled.

        NATS' streams and some of SeaweedFS' indexes refuse every write from the first that failed until then.
        """
        clock, rested = asyncio.get_running_loop().time, -math.inf
        while True:
            await asyncio.sleep(ROOM_EVERY_S)
            with contextlib.suppress(OSError):  # the disk can't even be asked; the next look may tell
                if not await self._waited_for_room():
                    continue
                await asyncio.sleep(rested - clock())
                if self.pid and not is_full(self._folder):
                    await self.restart(f"The disk of {self._folder} has room again.")
                    rested = clock() + REST_S

    async def _waited_for_room(self) -> bool:
        """A server that a full disk ended would end again; it is no fault of its own."""
        if not is_full(self._folder):
            return False
        self._said(f"The disk of {self._folder} is full: workflows wait until there is room.")
        while is_full(self._folder, ROOM):  # noqa: ASYNC110 - a disk can't tell
            await asyncio.sleep(ROOM_EVERY_S)
        return True

    async def _death(self) -> StackError | None:
        """Waits for the end of the server that runs, or tries to start the one that should; None when all is well."""
        async with self._one:
            if not self._wanted.is_set():
                return None
            server = self._server
            if server is None or not server.alive:
                try:
                    self._server = await self._begun()
                except StackError as error:
                    return error
                return None
        await server.wait()
        async with self._one:
            return server.died() if self._server is server and self._wanted.is_set() else None

    async def _begun(self) -> Server:
        """Between our first look at a port and the server's bind, another program may take it."""
        if self.ports:
            return await self._started(self.ports)
        for left in reversed(range(PORT_TRIES)):
            ports = free_ports(self._count)
            try:
                server = await self._started(ports)
            except PortTakenError:
                if not left:
                    raise
            else:
                self.ports = ports
                return server
        raise AssertionError

    async def _started(self, ports: Sequence[int]) -> Server:
        try:
            return await self._begin(ports)
        except OSError as error:
            raise StackError(f"The server of {self._folder} can't be started: {error}.") from error
