"""Names of objects in the bucket."""

from __future__ import annotations

from contracts.subjects import token


def artifact_key(tenant: str, digest: str) -> str:
    """Where an artifact lies: equal bytes of one tenant are stored once."""
    return f"artifacts/{token(tenant)}/{digest[:2]}/{digest}"


def capsule_key(tenant: str, workflow: str, digest: str) -> str:
    """Where a workflow's capsule lies: a late packager that made other bytes must not overwrite it."""
    return f"capsules/{token(tenant)}/{token(workflow)}.{digest[:16]}.tar.gz"
