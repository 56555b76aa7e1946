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


async def referenced(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of `keys`, all of objects of ours, that some drop refers to."""
    packs = [key for key in keys if key.startswith("packs/")]
    alone = [(key, *known) for key in keys if not key.startswith("packs/") and (known := owner(key))]
    found = await connection.fetch(PACKS, packs) if packs else []
    if alone:
        found += await connection.fetch(ALONE, *map(list, zip(*alone, strict=True)))
    return {record["key"] for record in found}
