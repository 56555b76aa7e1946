"""Collecting objects that no drop refers to: left by a put whose commit never came. Only a person runs it, by
`python -m workers.keeper --collect`.

Only what has been so for a day is deleted: no put of today can be waiting for its commit that long. A database that
does not see every drop of the bucket would have all of it deleted, so what looks like one is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from .artifacts import open_store, store_down
from .keys import COLLECTED, owner
from .pg.pool import Pool, connected, transaction
from .pg.referenced import alone_with, referenced

OLD_S = 24 * 3600.0
PAGE = 1000
"""Objects asked about at once."""
HANDFUL, LARGEST_SHARE = 10, 0.1
"""More orphans than both is not what puts without a commit leave."""
SEES_ALL = "SELECT NOT row_security_active('drops') OR current_user = 'ql_worker'"


class Unsafe(Exception):
    """The database we ask does not look like the one that this bucket belongs to."""


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection saw and did; in a dry run `orphans` were only counted."""

    old: int
    orphans: int
    bytes: int


async def collect(
    url: str, bucket: str, pool: Pool, *, older_s: float = OLD_S, dry_run: bool = False, force: bool = False
) -> Collected:
    """Delete every object without a drop that is older than `older_s`; may be repeated.

    Raises `StoreDown`, and `Unsafe` before anything is deleted: `force` lets it delete however many there are.
    """
    await _check_role(pool)
    store = open_store(url, bucket)
    found = await _walk(store, pool, older_s, dry_run=True)
    if dry_run:
        return found
    if not force and found.orphans > max(HANDFUL, found.old * LARGEST_SHARE):
        raise Unsafe(
            f"{found.orphans} of {found.old} old artifacts have no drop in this database, more than puts without a "
            "commit leave: is it the database of this bucket, and of nobody else's? If so, --force deletes them"
        )
    return await _walk(store, pool, older_s, dry_run=False)


async def _check_role(pool: Pool) -> None:
    """Row security hides drops without a word."""
    try:
        async with connected(pool) as connection:
            sees_all = await connection.fetchval(SEES_ALL)
    except asyncpg.UndefinedTableError:
        raise Unsafe("this database has no drops at all: is it the database of this bucket?") from None
    if not sees_all:
        raise Unsafe("this database role may not see every drop: use that of the workers, ql_worker")


async def _walk(store: S3Store, pool: Pool, older_s: float, *, dry_run: bool) -> Collected:
    old = orphans = size = 0
    async for page in old_objects(store, older_s):
        async with connected(pool) as connection:
            needed = await referenced(connection, list(page))
        loose = [key for key in page if key not in needed]
        gone = loose if dry_run else await delete(store, pool, loose, older_s)
        old, orphans, size = old + len(page), orphans + len(gone), size + sum(page[key] for key in gone)
    return Collected(old=old, orphans=orphans, bytes=size)


async def old_objects(store: S3Store, older_s: float) -> AsyncIterator[dict[str, int]]:
    """Sizes of objects of ours by their keys, a page at a time."""
    latest = datetime.now(UTC) - timedelta(seconds=older_s)
    page: dict[str, int] = {}
    try:
        for prefix in COLLECTED:
            async for listed in obstore.list(store, prefix, chunk_size=PAGE):
                page |= {o["path"]: o["size"] for o in listed if o["last_modified"] < latest and owner(o["path"])}
                if len(page) >= PAGE:
                    yield page
                    page = {}
    except (BaseError, OSError) as error:
        raise store_down(error) from error
    if page:
        yield page


async def delete(store: S3Store, pool: Pool, keys: Sequence[str], older_s: float) -> list[str]:
    """Delete those of `keys` that are still as old and without a drop: one may have been put again, or got a drop.

    What a stage of ours puts between this look and the deletion is lost: its reader finds out, and its producer makes
    it again.
    """
    latest = datetime.now(UTC) - timedelta(seconds=older_s)
    gone: list[str] = []
    for key in keys:
        async with transaction(pool) as connection:
            await alone_with(connection, key)
            if await referenced(connection, [key]):
                continue
            if await _deleted(store, key, latest):
                gone.append(key)
    return gone


async def _deleted(store: S3Store, key: str, latest: datetime) -> bool:
    try:
        found = await obstore.head_async(store, key)
        if found["last_modified"] >= latest:
            return False
        await obstore.delete_async(store, key)
    except FileNotFoundError:
        return False
    except (BaseError, OSError) as error:
        raise store_down(error) from error
    return True
