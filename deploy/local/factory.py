"""The whole factory on this machine: the servers that no setting names, migrated, and our own processes beside them.

`async with Factory(settings) as factory` then `factory.url` is the gateway; it all stops with this process.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from contracts import subjects
from deploy.local import lock
from deploy.local.credentials import write_private
from deploy.local.errors import StackError
from deploy.local.paths import data_home
from deploy.local.processes import Processes
from deploy.local.stack import NATS, POSTGRES, S3, Stack
from workers.kit.settings import PROVIDER_KEYS, Settings, SettingsError
from workers.kit.stores.drops import StoreDown
from workers.llm_router.reach import reach

FACTORY_FILE = "factory.json"
READY_S = 30.0
GATEWAY_ROLE = (
    "QL_DATABASE_URL names a server; name it for the gateway's role too, in QL_GATEWAY_DATABASE_URL with the user "
    "ql_gateway (and in QL_OWNER_DATABASE_URL with ql_owner, unless the tables are already there)."
)
HEALTH_PORT = "QL_HEALTH_PORT"
OTHERS_SECRETS = frozenset(
    f"QL_{name}{suffix}"
    for name in ("OWNER_DATABASE_URL", "GATEWAY_DATABASE_URL", "DATABASE_URL")
    for suffix in ("", "_FILE")
)


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What a running factory leaves in its data folder for the other commands of this user."""

    pid: int
    url: str


def data_folder(settings: Settings) -> Path:
    """Where this user's factory lives."""
    return (settings.data or data_home()).absolute()


def running(settings: Settings) -> Running | None:
    """The factory that is running on the data folder, if one is."""
    folder = data_folder(settings)
    if not lock.is_held(folder / "lock"):
        return None  # its process id may be somebody else's by now
    try:
        return msgspec.json.decode((folder / FACTORY_FILE).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """A DSN for each database role; no owner: somebody else migrates."""

    owner: str
    worker: str
    gateway: str


def _roles(given: Settings, stack: Stack) -> Roles:
    if not given.database_url:
        dsn = stack.database_for
        return Roles(owner=dsn("ql_owner"), worker=dsn("ql_worker"), gateway=dsn("ql_gateway"))
    return Roles(owner=given.owner_database_url, worker=given.database_url, gateway=given.gateway_database_url)


class Factory:
    """Starts in this order: servers, migrations and bucket, then all our own processes together."""

    def __init__(self, settings: Settings, *, port: int, said: Callable[[str], None] = lambda _: None) -> None:
        self._settings = settings
        self._port = port
        self._said = said
        self._open = AsyncExitStack()
        self.data = data_folder(settings)
        self.url = ""
        self.processes = Processes(self.data / "logs")
        self._failures: list[Callable[[], Awaitable[StackError]]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def _start(self) -> None:
        # Half a second of imports that no command needs but the one which starts a factory.
        from workers.kit.stores.buckets import ensure_bucket
        from workers.kit.stores.migrate import MigrationError, migrate

        given = self._settings
        if given.database_url and not given.gateway_database_url:
            raise StackError(GATEWAY_ROLE)
        try:
            reach(given, dict(os.environ))  # before anything is started, though only the router needs it
        except SettingsError as error:
            raise StackError(f"The model router can't be started: {error}") from None
        port = _listening_port(given.http_host, self._port)
        urls = {NATS: given.nats_url, POSTGRES: given.database_url, S3: given.s3_url}
        embedded = frozenset(part for part, url in urls.items() if not url)
        stack = await self._open.enter_async_context(
            Stack(self.data, embedded, nats_sync=given.nats_sync, nats_max_bytes=given.nats_max_bytes, said=self._said)
        )
        self._failures = [self.processes.failure, *([stack.failure] if embedded else [])]
        self._said("servers are up")
        s3 = given.s3_url or stack.urls.s3
        roles = _roles(given, stack)
        try:
            if roles.owner:
                await migrate(roles.owner)
            await ensure_bucket(s3, given.s3_bucket)
        except (StoreDown, MigrationError, ValueError) as error:
            raise StackError(f"The stores can't be prepared: {error}") from error
        withheld = OTHERS_SECRETS | PROVIDER_KEYS | {HEALTH_PORT}
        common = {name: value for name, value in os.environ.items() if name not in withheld} | {
            "QL_NATS_URL": given.nats_url or stack.urls.nats,
            "QL_S3_URL": s3,
            "QL_DATA": str(self.data),
        }
        worker = common | {"QL_DATABASE_URL": roles.worker}
        await self._start_processes(worker, common | {"QL_DATABASE_URL": roles.gateway}, port)

    async def _start_processes(self, worker: dict[str, str], gateway: dict[str, str], port: int) -> None:
        self._open.push_async_callback(self.processes.stop)
        python = sys.executable
        await self.processes.start("keeper", [python, "-m", "workers.keeper"], worker)
        keys = {name: os.environ[name] for name in PROVIDER_KEYS & os.environ.keys()}
        await self.processes.start("llm_router", [python, "-m", "workers.llm_router"], worker | keys)
        port_of_one = {HEALTH_PORT: str(self._settings.health_port)}
        await self.processes.start("workers", [python, "-m", "workers", "--all"], worker | port_of_one)
        for observer in subjects.OBSERVERS:
            await self.processes.start(observer, [python, "-m", "workers.observers", observer], worker)
        listening = gateway | {"QL_HTTP_PORT": str(port), "QL_HTTP_HOST": self._settings.http_host}
        await self.processes.start("gateway", [python, "-m", "gateway"], listening)
        self.url = f"http://{self._settings.http_host}:{port}"
        await self._ready()
        record = self.data / FACTORY_FILE
        write_private(record, msgspec.json.encode(Running(pid=os.getpid(), url=self.url)).decode())
        self._open.callback(record.unlink, missing_ok=True)

    async def failure(self) -> StackError:
        """Waits until a server ends or one of our processes is given up, and says which."""
        waits = [asyncio.ensure_future(wait()) for wait in self._failures]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return done.pop().result()

    async def _ready(self) -> None:
        """Until the gateway's /readyz says so: bus, stream, database and artifacts are then there."""
        failed = asyncio.create_task(self.failure())
        try:
            await self._answered(failed)
        finally:
            failed.cancel()
        self._said("the factory is ready")

    async def _answered(self, failed: asyncio.Task[StackError]) -> None:
        until = asyncio.get_running_loop().time() + READY_S
        while not await _answers_ready(self.url):
            if failed.done():
                raise failed.result()
            if asyncio.get_running_loop().time() > until:
                raise StackError(
                    f"The gateway was not ready within {READY_S:.0f} s; see the logs in {self.data / 'logs'}."
                )
            await asyncio.sleep(0.05)


def _listening_port(host: str, wanted: int) -> int:
    """`wanted`, or any free one for 0; whoever has it already would else be taken for our gateway."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            said = f"The gateway can't listen on {host}:{wanted}: {error.strerror}; set QL_HTTP_PORT to another port."
            raise StackError(said) from None
        return int(probe.getsockname()[1])


async def _answers_ready(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return (await reader.readline()).split()[1:2] == [b"200"]
    except OSError:
        return False
    finally:
        writer.close()
