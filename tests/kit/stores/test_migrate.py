"""The migrator: once, in order, never twice, never a changed file."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from ulid import ULID

from deploy.local.stack import Stack
from workers.kit.stores.migrate import FOLDER, MigrationError, migrate, migrations


@pytest.fixture
async def blank(stack: Stack) -> AsyncIterator[str]:
    """An empty database of ql_owner's."""
    admin, name = stack.urls.database, f"t_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(admin)
    await connection.execute(f"CREATE DATABASE {name} OWNER ql_owner")
    yield stack.database_for("ql_owner", name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "migrations"))


def add(folder: Path, name: str, up: str = "SELECT 1;") -> Path:
    path = folder / name
    path.write_text(f"-- migrate:up\n{up}\n-- migrate:down\n", encoding="utf-8")
    return path


async def test_all_are_applied_once(blank: str) -> None:
    assert await migrate(blank) == [migration.version for migration in migrations()]
    assert await migrate(blank) == []


async def test_only_one_of_two_at_once_applies(blank: str) -> None:
    both = await asyncio.gather(migrate(blank), migrate(blank))
    assert sorted(both, key=len) == [[], [migration.version for migration in migrations()]]


async def test_a_later_one_is_applied_alone(blank: str, folder: Path) -> None:
    await migrate(blank, folder)
    add(folder, "9000_more.sql", "CREATE TABLE more ();")
    assert await migrate(blank, folder) == ["9000_more"]


async def test_one_that_fails_leaves_nothing_behind(blank: str, folder: Path) -> None:
    add(folder, "9000_more.sql", "CREATE TABLE more (); SELECT nonsense;")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(blank, folder)
    add(folder, "9000_more.sql", "CREATE TABLE more ();")
    assert await migrate(blank, folder) == ["9000_more"]


async def test_a_changed_one_is_refused(blank: str, folder: Path) -> None:
    path = add(folder, "9000_more.sql")
    await migrate(blank, folder)
    path.write_text(path.read_text(encoding="utf-8") + "-- more\n", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"9000_more\.sql was changed after it was applied"):
        await migrate(blank, folder)


async def test_a_newer_database_is_refused(blank: str, folder: Path) -> None:
    add(folder, "9000_more.sql")
    await migrate(blank, folder)
    with pytest.raises(MigrationError, match="9000_more, unknown to this release"):
        await migrate(blank)


async def test_one_that_comes_too_late_is_refused(blank: str, folder: Path) -> None:
    add(folder, "9000_more.sql")
    await migrate(blank, folder)
    add(folder, "8000_less.sql")
    with pytest.raises(MigrationError, match="number it anew"):
        await migrate(blank, folder)


@pytest.mark.parametrize("name", ["1_x.sql", "0002-x.sql", "0002_X.sql"])
def test_an_odd_name_is_refused(folder: Path, name: str) -> None:
    add(folder, name)
    with pytest.raises(MigrationError, match="must be NNNN_name"):
        migrations(folder)


def test_two_of_one_number_are_refused(folder: Path) -> None:
    add(folder, "9000_one.sql")
    add(folder, "9000_two.sql")
    with pytest.raises(MigrationError, match="the same number"):
        migrations(folder)


async def test_everything_can_be_taken_down_and_put_up_again(blank: str) -> None:
    await migrate(blank)
    connection = await asyncpg.connect(blank)
    for migration in reversed(migrations()):
        text = (FOLDER / f"{migration.version}.sql").read_text(encoding="utf-8")
        await connection.execute(text.split("-- migrate:down")[1])
    left = await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert {row["relname"] for row in left} == {"schema_migrations", "schema_migrations_pkey"}
    await connection.execute("TRUNCATE schema_migrations")
    await connection.close()
    assert await migrate(blank)


async def test_coming_months_have_partitions_and_no_month_twice(blank: str) -> None:
    await migrate(blank)
    connection = await asyncpg.connect(blank)
    months = await connection.fetch("SELECT relname FROM pg_class WHERE relname ~ '^events_2[0-9]{3}_[0-9]{2}$'")
    assert len(months) == 4
    assert await connection.fetch("SELECT make_event_partitions(4)")
    assert not await connection.fetch("SELECT make_event_partitions(4)")
    await connection.close()


async def test_a_ulids_first_characters_are_its_time(blank: str) -> None:
    await migrate(blank)
    connection = await asyncpg.connect(blank)
    for moment in (datetime(2026, 11, 1, tzinfo=UTC), datetime(2031, 2, 28, 23, 59, 59, tzinfo=UTC)):
        prefix = await connection.fetchval("SELECT ulid_prefix($1)", moment)
        assert prefix == str(ULID.from_datetime(moment))[:10]
    await connection.close()
