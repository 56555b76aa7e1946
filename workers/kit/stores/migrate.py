"""Brings a database's tables up to date: `python -m workers.kit.stores.migrate` (QL_DATABASE_URL, as ql_owner).

Applies migrations/NNNN_name.sql in order, each in a transaction of its own, under a lock; refuses a changed file.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from pathlib import Path

import asyncpg
import msgspec

from workers.kit.settings import SettingsError, load

FOLDER = Path(__file__).parent / "migrations"
MONTHS_AHEAD = 3
_LOCK = 0x716C6D67
_NAME = re.compile(r"[0-9]{4}_[a-z0-9_]+\.sql")
_UP, _DOWN = "-- migrate:up", "-- migrate:down"
_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


class MigrationError(Exception):
    """The migrations can't be applied; the message is one sentence that says why."""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its name without .sql, the statements of its up part, and the sha256 of the whole file."""

    version: str
    up: str
    sha256: str


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """The folder's migrations, in the order in which they apply."""
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    numbers = [migration.version[:4] for migration in found]
    if len(set(numbers)) != len(numbers):
        raise MigrationError(f"two migrations in {folder.name} have the same number")
    return found


def _read(path: Path) -> Migration:
    text = path.read_text(encoding="utf-8")
    if not _NAME.fullmatch(path.name) or text.count(_UP) != 1 or text.count(_DOWN) != 1:
        raise MigrationError(f"{path.name} must be NNNN_name.sql with one '{_UP}' and one '{_DOWN}'")
    up = text.split(_UP)[1].split(_DOWN)[0]
    return Migration(version=path.stem, up=up, sha256=hashlib.sha256(text.encode()).hexdigest())


async def migrate(dsn: str, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing, make the coming months' partitions; the versions that were applied now."""
    connection = await asyncpg.connect(dsn, server_settings={"client_min_messages": "warning"})
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        if not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"):
            await connection.execute(_TABLE)
        missing = await _missing(connection, migrations(folder))
        for migration in missing:
            await _apply(connection, migration)
        await _make_partitions(connection)
        return [migration.version for migration in missing]
    finally:
        await connection.close()


async def _missing(connection: asyncpg.Connection[asyncpg.Record], known: list[Migration]) -> list[Migration]:
    rows = await connection.fetch("SELECT version, sha256 FROM schema_migrations ORDER BY version")
    applied = {row["version"]: row["sha256"] for row in rows}
    strangers = applied.keys() - {migration.version for migration in known}
    if strangers:
        raise MigrationError(f"the database has {', '.join(sorted(strangers))}, unknown to this release: it is newer")
    for migration in known:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.version}.sql was changed after it was applied: write a new migration")
    missing = [migration for migration in known if migration.version not in applied]
    if missing and applied and missing[0].version < max(applied):
        raise MigrationError(f"{missing[0].version}.sql comes before {max(applied)}, which is applied: number it anew")
    return missing


async def _apply(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.up)
        await connection.execute(
            "INSERT INTO schema_migrations (version, sha256) VALUES ($1, $2)", migration.version, migration.sha256
        )


async def _make_partitions(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    async with connection.transaction():
        if await connection.fetchval("SELECT to_regprocedure('make_event_partitions(integer)') IS NOT NULL"):
            await connection.execute("SET LOCAL ROLE ql_owner")
            await connection.fetch("SELECT make_event_partitions($1)", MONTHS_AHEAD)


def main() -> int:
    """The command line: the applied versions on stdout, what is wrong on stderr."""
    try:
        dsn = load().database_url
        if not dsn:
            raise MigrationError("set QL_DATABASE_URL to the database's URL for role ql_owner")
        applied = asyncio.run(migrate(dsn))
    except (MigrationError, SettingsError, OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"migrate: {error}\n")
        return 1
    sys.stdout.writelines(f"{version}\n" for version in applied)
    return 0


if __name__ == "__main__":
    sys.exit(main())
