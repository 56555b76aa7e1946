"""What the fixtures of conftest.py hand out: real databases and buckets on the run's embedded stack."""

from __future__ import annotations

import asyncio
import re
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from minio import Minio
from urllib3 import PoolManager

from deploy.local.lock import is_alive
from deploy.local.paths import data_home, make_folder
from deploy.local.stack import Stack
from workers.kit.stores.migrate import migrate

TEMPLATE = "ql_template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One test's own migrated database: a DSN per role; `admin` is the superuser's."""

    admin: str
    owner: str
    worker: str
    gateway: str


async def make_template(stack: Stack) -> None:
    await _as_admin(stack, f"CREATE DATABASE {TEMPLATE} OWNER ql_owner")
    await migrate(stack.database_for("ql_owner", TEMPLATE))


@asynccontextmanager
async def fresh_database(stack: Stack) -> AsyncIterator[Database]:
    name = f"t_{uuid.uuid4().hex}"
    await _as_admin(stack, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER ql_owner")
    owner, worker, gateway = (stack.database_for(role, name) for role in ("ql_owner", "ql_worker", "ql_gateway"))
    yield Database(admin=_in(stack, name), owner=owner, worker=worker, gateway=gateway)
    await _as_admin(stack, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def fresh_bucket(stack: Stack) -> AsyncIterator[str]:
    client, name = s3_client(stack.urls.s3), f"t-{uuid.uuid4().hex}"
    await asyncio.to_thread(client.make_bucket, name)
    yield name
    await asyncio.to_thread(client.remove_bucket, name)  # SeaweedFS takes what is in it along


def s3_client(url: str, http: PoolManager | None = None) -> Minio:
    parts = urlsplit(url)
    assert parts.hostname
    address = f"{parts.hostname}:{parts.port}"
    return Minio(address, parts.username, parts.password, secure=False, region="us-east-1", http_client=http)


def data_folder(folder: Path) -> Path:
    """Its own, but packages of others and the sandbox's interpreter are those of this machine: they take long."""
    make_folder(folder)
    for name in ("cache", "wheelhouse", "runtime"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(make_folder(data_home() / name))
    return folder


def remove_orphans(home: Path) -> None:
    """What killed test runs left behind."""
    for folder in home.glob("tests-*"):
        pid = folder.name.removeprefix("tests-")
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _in(stack: Stack, name: str) -> str:
    return stack.urls.database.rpartition("/")[0] + "/" + name


async def _as_admin(stack: Stack, statement: str) -> None:
    connection = await asyncpg.connect(_in(stack, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def said_to_be(url: str, version: str) -> AsyncIterator[str]:
    """A URL of that real NATS server, which says there that it is of this version."""
    there = urlsplit(url)

    async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(there.hostname, there.port)
        greeting = await from_server.readline()
        writer.write(re.sub(rb'"version":"[^"]*"', b'"version":"%b"' % version.encode(), greeting, count=1))
        await asyncio.gather(_passed(reader, to_server), _passed(from_server, writer))

    relay = await asyncio.start_server(heard, "127.0.0.1", 0)
    try:
        yield there._replace(
            netloc=there.netloc.replace(str(there.port), str(relay.sockets[0].getsockname()[1]))
        ).geturl()
    finally:
        relay.close()


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    writer.close()
