"""Collecting objects that no drop refers to: left by a put whose commit never came. The keeper runs it now and then.

Only what has been so for a day is deleted: no put of today can be waiting for its commit that long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from .artifacts import open_store, store_down
from .keys import COLLECTED, owner
from .pg.pool import Pool, connected
from .pg.referenced import referenced

OLD_S = 24 * 3600.0
PAGE = 1000
"""Objects asked about at once."""


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection saw and did; in a dry run `orphans` were only counted."""

    old: int
    orphans: int
    bytes: int


async def collect(url: str, bucket: str, pool: Pool, *, older_s: float = OLD_S, dry_run: bool = False) -> Collected:
    """Delete every object without a drop that is older than `older_s`. Raises `StoreDown`; may be repeated."""
    store = open_store(url, bucket)
    old = orphans = size = 0
    async for page in old_objects(store, older_s):
        async with connected(pool) as connection:
            needed = await referenced(connection, list(page))
        loose = [key for key in page if key not in needed]
        gone = loose if dry_run else await delete(store, loose, older_s)
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


async def delete(store: S3Store, keys: Sequence[str], older_s: float) -> list[str]:
    """Delete those of `keys` that are still as old: one may have been put again meanwhile, for a commit to come.

    What is put between this look and the deletion is lost: its reader finds out, and its producer makes it again.
    """
    latest = datetime.now(UTC) - timedelta(seconds=older_s)
    gone: list[str] = []
    try:
        for key in keys:
            try:
                found = await obstore.head_async(store, key)
            except FileNotFoundError:
                continue
            if found["last_modified"] < latest:
                await obstore.delete_async(store, key)
                gone.append(key)
    except (BaseError, OSError) as error:
        raise store_down(error) from error
    return gone
