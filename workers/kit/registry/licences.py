"""Which licence a wheel states for itself, read from its metadata: untrusted text, cut short."""

from __future__ import annotations

import zipfile
from pathlib import Path

from packaging.metadata import parse_email

_MAX_METADATA_BYTES = 4 << 20
_MAX_LENGTH = 100


def licence(wheel: Path) -> str:
    """An SPDX expression where there is one, else the licence field or the classifiers; '' where nothing is said."""
    raw, _ = parse_email(_metadata(wheel))
    expression, free = raw.get("license_expression", ""), raw.get("license", "")
    classified = [line.rpartition(" :: ")[2] for line in raw.get("classifiers", []) if line.startswith("License ::")]
    # Some put the whole text of the licence into the field.
    for stated in (expression, free, " AND ".join(classified)):
        if stated and len(stated) <= _MAX_LENGTH and stated.isprintable():
            return stated
    return ""


def _metadata(wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next((name for name in archive.namelist() if _is_metadata(name)), None)
            if name is None:
                return b""
            with archive.open(name) as file:
                return file.read(_MAX_METADATA_BYTES)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return b""


def _is_metadata(name: str) -> bool:
    folder, _, file = name.partition("/")
    return folder.endswith(".dist-info") and file == "METADATA"
