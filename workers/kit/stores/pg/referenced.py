"""Which objects drops refer to: one at its own digest is found by the index on digests, a pack by the one on packs."""

from __future__ import annotations

from collections.abc import Sequence

from workers.kit.stores.keys import owner

from .pool import Connection

ALONE = """
    SELECT asked.key FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (key, tenant, sha256)
    WHERE EXISTS (
        SELECT FROM drops d
        WHERE d.tenant = asked.tenant AND d.artifact_sha256 = asked.sha256 AND d.artifact_key = asked.key
    ) OR EXISTS (
        SELECT FROM foreign_drops f WHERE f.tenant = asked.tenant AND f.artifact_sha256 = asked.sha256
    )
"""
PACKS = """
    SELECT asked.key FROM unnest($1::text[]) AS asked (key)
    WHERE EXISTS (SELECT FROM drops d WHERE d.artifact_key = asked.key AND d.artifact_key LIKE 'packs/%')
"""

ALONE_WITH = "SELECT pg_advisory_xact_lock(hashtextextended('object ' || $1, 0))"


async def alone_with(connection: Connection, key: str) -> None:
    """Within a transaction, until its end: who deletes the object and who is about to refer to it wait for each other.

    What our stages make needs it not: it is put anew before each commit, and made again if it is lost all the same.
    """
    await connection.execute(ALONE_WITH, key)


async def referenced(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of `keys`, all of objects of ours, that some drop refers to."""
    packs = [key for key in keys if key.startswith("packs/")]
    alone = [(key, *known) for key in keys if not key.startswith("packs/") and (known := owner(key))]
    found = await connection.fetch(PACKS, packs) if packs else []
    if alone:
        found += await connection.fetch(ALONE, *map(list, zip(*alone, strict=True)))
    return {record["key"] for record in found}
