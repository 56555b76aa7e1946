"""The three servers together: `async with Stack(folder) as stack`, then `stack.urls`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from deploy.local import lock
from deploy.local.credentials import ADMIN, ROLES, Credentials, credentials, write_private
from deploy.local.errors import PortTakenError, StackError
from deploy.local.nats import start_nats
from deploy.local.paths import make_folder
from deploy.local.postgres import DATABASE, start_postgres
from deploy.local.seaweed import start_seaweed
from deploy.local.server import Server

NATS, POSTGRES, S3 = "nats", "database", "s3"
ALL = frozenset({NATS, POSTGRES, S3})
RUN_FILE = "run.json"
PORT_TRIES = 4
LEAST_FREE = 256 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Empty for a part that was not started. `database` is the superuser's; see `Stack.database_for`."""

    nats: str = ""
    database: str = ""
    s3: str = ""


class Stack:
    """Start it in a thread that lives as long as the servers should: the kernel ends them with that thread."""

    def __init__(self, data: Path, only: frozenset[str] = ALL, *, nats_sync: str = "1s") -> None:
        if unknown := only - ALL:
            raise ValueError(f"no such part of the stack: {', '.join(sorted(unknown))}")
        self.data = data.absolute()
        self.urls = Urls()
        self._only = only
        self._nats_sync = nats_sync
        self._lock: lock.Lock | None = None
        self._servers: list[Server] = []
        self._secrets: Credentials | None = None
        self._port = 0

    async def __aenter__(self) -> Stack:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> Urls:
        # Others may pass through (PostgreSQL's uid must), but not look: every folder inside is closed.
        make_folder(self.data, 0o711)
        _check_room(self.data)
        self._lock = await lock.take(self.data / "lock")
        try:
            await self._start_servers(self._lock.fd)
        except BaseException:
            await self.stop()
            raise
        return self.urls

    async def _start_servers(self, held: int) -> None:
        secrets = self._secrets = credentials(self.data)
        logs = make_folder(self.data / "logs", 0o700)
        starts: dict[str, Callable[[], Awaitable[None]]] = {
            NATS: lambda: self._start_nats(logs, secrets, held),
            POSTGRES: lambda: self._start_postgres(logs, secrets, held),
            S3: lambda: self._start_s3(logs, secrets, held),
        }
        ended = await asyncio.gather(*(starts[name]() for name in sorted(self._only)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        write_private(self.data / RUN_FILE, msgspec.json.encode(self.urls).decode())

    async def _start_nats(self, logs: Path, secrets: Credentials, held: int) -> None:
        folder = self.data / "nats"
        server, url = await _on_free_ports(lambda: start_nats(folder, logs, secrets, held, self._nats_sync))
        self._servers.append(server)
        self.urls = replace(self.urls, nats=url)

    async def _start_postgres(self, logs: Path, secrets: Credentials, held: int) -> None:
        folder = self.data / "postgres"
        server, self._port = await _on_free_ports(lambda: start_postgres(folder, logs, secrets, held))
        self._servers.append(server)
        self.urls = replace(self.urls, database=self._dsn(ADMIN))

    async def _start_s3(self, logs: Path, secrets: Credentials, held: int) -> None:
        folder = self.data / "s3"
        server, url = await _on_free_ports(lambda: start_seaweed(folder, logs, secrets, held))
        self._servers.append(server)
        self.urls = replace(self.urls, s3=url)

    def database_for(self, role: str, database: str = DATABASE) -> str:
        """The DSN of ql_owner (migrations), ql_worker or ql_gateway."""
        if role not in ROLES:
            raise ValueError(f"no such role: {role}")
        return self._dsn(role, database)

    def _dsn(self, role: str, database: str = DATABASE) -> str:
        if self._secrets is None or not self._port:
            raise StackError("The embedded PostgreSQL is not running.")
        return f"postgresql://{role}:{self._secrets.database[role]}@127.0.0.1:{self._port}/{database}"

    async def failure(self) -> StackError:
        """Waits until a server ends by itself, and says which."""
        waits = {asyncio.create_task(server.wait()): server for server in self._servers}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return waits[done.pop()].died()

    async def stop(self) -> None:
        servers, self._servers = self._servers, []
        await asyncio.gather(*(server.stop() for server in servers))
        self.urls, self._port = Urls(), 0
        if self._lock is not None:
            (self.data / RUN_FILE).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None


def _check_room(folder: Path) -> None:
    """A full disk stops each server in words of its own, and SeaweedFS only at the first write."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise StackError(
            f"The disk of {folder} has {free >> 20} MiB left; the stack needs {LEAST_FREE >> 20}: make room."
        )


async def _on_free_ports(attempt: Callable[[], Awaitable[T]]) -> T:
    """Between our look at a port and the server's bind, another program may take it."""
    for _ in range(PORT_TRIES - 1):
        try:
            return await attempt()
        except PortTakenError:
            continue
    return await attempt()
