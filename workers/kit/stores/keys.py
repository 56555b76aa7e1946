"""Names of objects in the bucket: nobody else makes one.

A body lies alone at its own sha256, or with others of its tenant in a pack at the pack's; a capsule always lies alone,
and so does a long text of the ledger.
"""

from __future__ import annotations

import re
from hashlib import sha256

from contracts.subjects import token

COLLECTED = ("artifacts/", "packs/")
"""Where objects lie that may have been written for nothing: put, and never referred to by a drop."""

_COLLECTED = re.compile(r"(artifacts|packs)/([A-Za-z0-9_-]{1,64})/([0-9a-f]{2})/(\3[0-9a-f]{62})")


def artifact_key(tenant: str, digest: str) -> str:
    """Where an artifact lies: equal bytes of one tenant are stored once."""
    return f"artifacts/{token(tenant)}/{digest[:2]}/{digest}"


def pack_key(tenant: str, digest: str) -> str:
    """Where small artifacts of one tenant lie one after another: `digest` is that of the whole object."""
    return f"packs/{token(tenant)}/{digest[:2]}/{digest}"


def capsule_key(tenant: str, workflow: str, digest: str) -> str:
    """Where a workflow's capsule lies: a late packager that made other bytes must not overwrite it."""
    return f"capsules/{token(tenant)}/{token(workflow)}.{digest[:16]}.tar.gz"


def ledger_key(tenant: str, body: bytes) -> str:
    """Where a text of the ledger lies that is too long for PostgreSQL; never collected."""
    digest = sha256(body).hexdigest()
    return f"ledger/{token(tenant)}/{digest[:2]}/{digest}"


def owner(key: str) -> tuple[str, str] | None:
    """(tenant, digest) of an object under `COLLECTED`; None for a name that is none of ours."""
    match = _COLLECTED.fullmatch(key)
    return (match[2], match[4]) if match else None
