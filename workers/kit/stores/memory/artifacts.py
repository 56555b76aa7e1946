"""The twin of the object store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256

from contracts.events import Ref
from workers.kit.stores.drops import ArtifactLost
from workers.kit.stores.keys import artifact_key


@dataclass(slots=True)
class MemoryArtifacts:
    """Artifacts."""

    objects: dict[str, bytes] = field(default_factory=dict)

    async def put(self, tenant: str, body: bytes, *, key: str = "") -> Ref:
        digest = sha256(body).hexdigest()
        key = key or artifact_key(tenant, digest)
        self.objects[key] = body
        return Ref(key=key, offset=0, length=len(body), sha256=digest)

    async def get(self, ref: Ref) -> bytes:
        return b"".join([chunk async for chunk in self.chunks(ref)])

    async def held(self, ref: Ref) -> bool:
        return ref.key in self.objects

    async def chunks(self, ref: Ref) -> AsyncIterator[bytes]:
        if ref.key not in self.objects:
            raise ArtifactLost(f"{ref.key} is not in the store")
        body = self.objects[ref.key][ref.offset : ref.offset + ref.length]
        yield body
        if sha256(body).hexdigest() != ref.sha256:
            raise ArtifactLost(f"{ref.key} does not hold the bytes that were written (sha256 {ref.sha256})")
