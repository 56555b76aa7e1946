"""A tar.gz in the one form that we write: sorted files under one folder, no clock, no owner. Same files, same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

from contracts.paths import safe_path, safe_paths

MAX_BYTES = 64 << 20
MAX_RATIO = 100
RATIO_FLOOR = 1 << 20
"""Below this a high ratio harms nobody: a small file of blanks is no bomb."""
_LEVEL = 6


class BadArchive(ValueError):
    """Not an archive that may be read; the message names the entry and the reason."""


def pack(folder: str, files: Mapping[str, bytes]) -> bytes:
    """Raises `UnsafePath` for a name, `BadArchive` for more than the reader takes."""
    if "/" in safe_path(folder):
        raise BadArchive(f"{folder!r} is not one folder")
    safe_paths(files)
    if sum(map(len, files.values())) > MAX_BYTES:
        raise BadArchive(f"the files have more than {MAX_BYTES} bytes")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(files):
            tar.addfile(_entry(f"{folder}/{path}", files[path]), io.BytesIO(files[path]))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=_LEVEL, mtime=0) as stream:
        stream.write(raw.getbuffer())
    return packed.getvalue()


def _entry(name: str, body: bytes) -> tarfile.TarInfo:
    # A new TarInfo has no owner, no name of one, and time 0.
    entry = tarfile.TarInfo(name)
    entry.size = len(body)
    entry.mode = 0o644
    return entry
