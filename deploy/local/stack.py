"""The three servers together: `async with Stack(folder) as stack`, then `stack.urls`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from deploy.local import lock
from deploy.local.accepting import keep_accepting
from deploy.local.credentials import ADMIN, ROLES, Credentials, credentials, write_private
from deploy.local.errors import StackError
from deploy.local.nats import start_nats, wipe
from deploy.local.part import Begin, Part, Place
from deploy.local.paths import make_folder
from deploy.local.postgres import DATABASE, start_postgres
from deploy.local.seaweed import PORTS, S3_PORT, start_seaweed

NATS, POSTGRES, S3 = "nats", "database", "s3"
ALL = frozenset({NATS, POSTGRES, S3})
FOLDERS = {NATS: "nats", POSTGRES: "postgres", S3: "s3"}
RUN_FILE = "run.json"
LEAST_FREE = 256 << 20
NATS_SYNC, NATS_MAX_BYTES = "1s", 8 << 30
"""As in the settings, which a stack knows nothing of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Empty for a part that was not started. `database` is the superuser's, `worker` the workers' own."""

    nats: str = ""
    database: str = ""
    worker: str = ""
    s3: str = ""


def servers(data: Path) -> Urls:
    """Those of the stack that runs on this folder, for its owner; empty ones when none does."""
    if not lock.is_held(data / "lock"):
        return Urls()
    try:
        return msgspec.json.decode((data / RUN_FILE).read_bytes(), type=Urls)
    except (OSError, msgspec.DecodeError):
        return Urls()


class Stack:
    """Start it in a thread that lives as long as the servers should: the kernel ends them with that thread.

    A server that dies is started again where it was; `said` hears of it. `stop(kind)` keeps one down until
    `start(kind)`; its URL stays the same.
    """

    def __init__(
        self,
        data: Path,
        only: frozenset[str] = ALL,
        *,
        nats_sync: str = NATS_SYNC,
        nats_max_bytes: int = NATS_MAX_BYTES,
        said: Callable[[str], None] = lambda _: None,
    ) -> None:
        if unknown := only - ALL:
            raise ValueError(f"no such part of the stack: {', '.join(sorted(unknown))}")
        self.data = data.absolute()
        self.urls = Urls()
        self._only = only
        self._begin_nats = partial(start_nats, sync=nats_sync, max_bytes=nats_max_bytes)
        self._said = said
        self._lock: lock.Lock | None = None
        self._parts: dict[str, Part] = {}
        self._tending: list[asyncio.Task[StackError]] = []
        self._probing: list[asyncio.Task[None]] = []
        self._secrets: Credentials | None = None

    async def __aenter__(self) -> Stack:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, kind: str = "") -> Urls:
        """Everything, or the one that `stop` stopped."""
        if kind:
            await self._parts[kind].start()
            return self.urls
        # Others may pass through (PostgreSQL's uid must), but not look: every folder inside is closed.
        make_folder(self.data, 0o711)
        _check_room(self.data)
        self._lock = await lock.take(self.data / "lock")
        try:
            await self._start_servers()
        except BaseException:
            await self.stop()
            raise
        return self.urls

    async def stop(self, kind: str = "", *, kill: bool = False) -> None:
        """Everything, or one of NATS, POSTGRES and S3; `kill` gives it no time to write anything down."""
        if kind:
            await self._parts[kind].stop(kill=kill)
            return
        tending: list[asyncio.Task[Any]] = [*self._tending, *self._probing]
        self._tending, self._probing = [], []
        for task in tending:
            task.cancel()
        await asyncio.gather(*tending, return_exceptions=True)
        parts, self._parts = list(self._parts.values()), {}
        await asyncio.gather(*(part.stop(kill=kill) for part in parts))
        self.urls = Urls()
        if self._lock is not None:
            (self.data / RUN_FILE).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def wipe_nats(self) -> None:
        """Every stream is gone; only while NATS is stopped."""
        if self.pid(NATS):
            raise StackError("NATS runs; stop it before its store is wiped.")
        wipe(self._place(NATS))

    @property
    def kinds(self) -> frozenset[str]:
        """The servers that are parts of it."""
        return self._only

    def pid(self, kind: str) -> int:
        """The server's process; 0 while it is down."""
        return self._parts[kind].pid

    async def failure(self) -> StackError:
        """Waits until a server is given up, and says why."""
        done, _ = await asyncio.wait(self._tending, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()

    def database_for(self, role: str, database: str = DATABASE) -> str:
        """The DSN of ql_owner (migrations), ql_worker or ql_gateway."""
        if role not in ROLES:
            raise ValueError(f"no such role: {role}")
        return self._dsn(role, database)

    async def _start_servers(self) -> None:
        self._secrets = credentials(self.data)
        made = {
            NATS: self._part(NATS, 1, lambda ports: self._begin_nats(self._place(NATS), ports)),
            POSTGRES: self._part(POSTGRES, 1, lambda ports: start_postgres(self._place(POSTGRES), ports)),
            S3: self._part(S3, len(PORTS), lambda ports: start_seaweed(self._place(S3), ports)),
        }
        self._parts = {kind: made[kind] for kind in sorted(self._only)}
        ended = await asyncio.gather(*(part.start() for part in self._parts.values()), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        self.urls = self._found()
        write_private(self.data / RUN_FILE, msgspec.json.encode(self.urls).decode())
        self._tending = [asyncio.create_task(part.tend()) for part in self._parts.values()]
        stuck = [part.outlast() for kind, part in self._parts.items() if kind != POSTGRES]  # which goes on by itself
        if NATS in self._parts:
            stuck.append(keep_accepting(self._parts[NATS], self.urls.nats, self.data / FOLDERS[NATS]))
        self._probing = [asyncio.create_task(watch) for watch in stuck]

    def _part(self, kind: str, ports: int, begin: Begin) -> Part:
        return Part(begin, ports, self.data / FOLDERS[kind], self._said)

    def _place(self, kind: str) -> Place:
        if self._secrets is None or self._lock is None:
            raise StackError("The stack is not running.")
        logs = make_folder(self.data / "logs", 0o700)
        return Place(folder=self.data / FOLDERS[kind], logs=logs, secrets=self._secrets, lock=self._lock.fd)

    def _found(self) -> Urls:
        secrets = self._place(NATS).secrets
        urls: dict[str, str] = {}
        for kind, part in self._parts.items():
            if kind == NATS:
                urls[kind] = f"nats://{secrets.nats_user}:{secrets.nats_password}@127.0.0.1:{part.ports[0]}"
            elif kind == S3:
                urls[kind] = f"http://{secrets.s3_access}:{secrets.s3_secret}@127.0.0.1:{part.ports[S3_PORT]}"
            else:
                urls |= {kind: self._dsn(ADMIN), "worker": self._dsn("ql_worker")}
        return Urls(**urls)

    def _dsn(self, role: str, database: str = DATABASE) -> str:
        part = self._parts.get(POSTGRES)
        if self._secrets is None or part is None:
            raise StackError("The embedded PostgreSQL is not running.")
        return f"postgresql://{role}:{self._secrets.database[role]}@127.0.0.1:{part.ports[0]}/{database}"


def _check_room(folder: Path) -> None:
    """A full disk stops each server in words of its own, and SeaweedFS only at the first write."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise StackError(
            f"The disk of {folder} has {free >> 20} MiB left; the stack needs {LEAST_FREE >> 20}: make room."
        )
