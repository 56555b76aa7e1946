"""Connections: one pool a process, and the errors that mean 'the server can't serve now' told as `StoreDown`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from workers.kit.stores.drops import StoreDown

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

ACQUIRE_S = 10.0
STATEMENT_S = 30.0
CLOSE_S = 5.0
_SETTINGS = {
    "application_name": "quantumlayer",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "5s",  # a stopped process holds the locks of a whole batch
    "jit": "off",
    # Every statement here is a few look-ups in an index. The planner would look at how many there are today, plan each
    # batch anew and, where a table has grown since it was last counted, read all of it.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "timezone": "UTC",
}
_DOWN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a database that takes no connections for now
    asyncpg.InternalClientError,  # the connection was told that it is ended, and is used before it has closed
    OSError,
    TimeoutError,
)


async def open_pool(dsn: str, size: int) -> Pool:
    """A pool of at most `size` connections. No reset query at release: nothing here leaves state in a session."""
    with telling_down():
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            reset=_keep,
            command_timeout=STATEMENT_S,
            server_settings=_SETTINGS,
        )


async def close_pool(pool: Pool) -> None:
    """Closes it; connections that are still held after a while are cut."""
    try:
        await asyncio.wait_for(pool.close(), CLOSE_S)
    except TimeoutError:
        pool.terminate()


async def _keep(_: object) -> None:
    """Stands in for the reset query, a third of the cost of a small statement."""


class Undone(StoreDown):
    """The server undid the transaction in favour of another one: the same may well go through now."""


class telling_down:  # noqa: N801  # reads as a statement, like contextlib's own
    """Raises `StoreDown` in place of errors that pass by themselves."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        closed = isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)
        if isinstance(error, asyncpg.TransactionRollbackError):
            raise Undone(f"PostgreSQL: {error}") from error
        if closed or isinstance(error, _DOWN):
            raise StoreDown(f"PostgreSQL: {str(error) or type(error).__name__}") from error


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """A connection, each statement a transaction of its own."""
    with telling_down():
        async with pool.acquire(timeout=ACQUIRE_S) as connection:
            yield connection


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in a READ COMMITTED transaction: every statement sees what was committed before it."""
    with telling_down():
        async with pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def as_tenant(pool: Pool, tenant: str) -> AsyncIterator[Connection]:
    """The gateway's transaction: it sees and writes the rows of one tenant alone, by row-level security."""
    async with transaction(pool) as connection:
        await connection.execute("SELECT set_config('ql.tenant', $1, true)", tenant)
        yield connection
