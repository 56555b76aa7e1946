"""A capsule from its parts. Same parts, same bytes; what could not be read back is never handed out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from . import manifest as form
from .archive import BadArchive, pack
from .manifest import FileEntry, Manifest
from .reader import read


def build(manifest: Manifest, bodies: Mapping[str, bytes], origins: Sequence[FileEntry]) -> bytes:
    """The archive: `bodies` by path, each with its entry in `origins`, whose sha256 and size are filled in here.

    Raises `UnsafePath` for a bad name, `BadArchive` for a set that is too large or has no origin for a file.
    """
    told = {origin.path: origin for origin in origins}
    if told.keys() != bodies.keys() or len(told) != len(origins):
        raise BadArchive(f"files without one origin each: {sorted(told.keys() ^ bodies.keys())}")
    entries = tuple(_measured(told[path], bodies[path]) for path in sorted(bodies))
    body = form.encode(msgspec.structs.replace(manifest, files=entries))
    mark = f"{hashlib.sha256(body).hexdigest()}  manifest.json\n".encode()
    archive = pack(manifest.name, {**bodies, form.MANIFEST: body, form.MANIFEST_SHA256: mark})
    read(archive)
    return archive


def _measured(entry: FileEntry, body: bytes) -> FileEntry:
    return msgspec.structs.replace(entry, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
