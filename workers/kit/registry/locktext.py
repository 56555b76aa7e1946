"""The text of a hashed lock: what uv writes, read back; the same for everybody who resolves the same set."""

from __future__ import annotations

import re

import msgspec
from packaging.utils import canonicalize_name

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+) \\$")
_HASH = re.compile(r"^    --hash=sha256:(?P<sha256>[0-9a-f]{64})( \\)?$")


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One package of a lock, with the hashes of all files that may stand for it."""

    name: str
    version: str
    sha256s: frozenset[str]


def without_origin(text: str) -> str:
    """Without comments and index options: a lock says nothing of the machine that made it."""
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.lstrip().startswith("#") and not line.startswith("-")]
    return "".join(f"{line}\n" for line in kept)


def pins(text: str) -> tuple[Pin, ...]:
    """Every package; `ValueError` for a line that is neither a pin nor a hash, such as an address."""
    found: dict[str, tuple[str, set[str]]] = {}
    hashes: set[str] | None = None
    for line in text.splitlines():
        if pin := _PIN.match(line):
            hashes = set()
            found[canonicalize_name(pin["name"])] = (pin["version"], hashes)
        elif hashes is not None and (digest := _HASH.match(line)):
            hashes.add(digest["sha256"])
        else:
            raise ValueError(f"not a line of a hashed lock: {line[:100]!a}")
    return tuple(
        Pin(name=name, version=version, sha256s=frozenset(digests)) for name, (version, digests) in found.items()
    )
