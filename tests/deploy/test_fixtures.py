"""The fixtures that every other test stands on."""

from __future__ import annotations

import io

import asyncpg
import nats
import pytest

from deploy.local.stack import Stack
from tests.servers import Database, s3_client


async def _value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.parametrize("attempt", [1, 2])
async def test_each_test_has_a_migrated_database_of_its_own(database: Database, attempt: int) -> None:
    assert await _value(database.worker, "SELECT count(*) FROM workflows") == 0
    await _value(database.owner, "CREATE TABLE mine ()")  # the second attempt would find the first one's
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _value(database.gateway, "CREATE TABLE yours ()")


@pytest.mark.parametrize("role", ["worker", "gateway"])
async def test_the_roles_of_processes_have_no_power_over_the_server(database: Database, role: str) -> None:
    query = "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert await _value(getattr(database, role), query) is False
    assert await _value(database.admin, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True


async def test_a_bucket_takes_an_object(stack: Stack, bucket: str) -> None:
    client = s3_client(stack.urls.s3)
    client.put_object(bucket, "a/b", io.BytesIO(b"bytes"), 5)
    assert client.stat_object(bucket, "a/b").size == 5


@pytest.mark.parametrize("attempt", [1, 2])
async def test_each_test_has_a_nats_server_of_its_own(nats_url: str, attempt: int) -> None:
    client = await nats.connect(nats_url)
    assert await client.jetstream().streams_info() == []
    await client.jetstream().add_stream(name="QL", subjects=["ql.>"])
    await client.close()
