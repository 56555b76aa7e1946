"""Is a capsule what was built? Checked here, without a network and in memory: nothing of it is unpacked onto the disk.

What this does not show: that whoever changed a file did not write its line of the manifest anew. The sha256 of the
event `workflow.completed` does.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import QuantumLayerError

MAX_BYTES = 64 << 20
MANIFEST, MARK = ".quantumlayer/manifest.json", ".quantumlayer/manifest.sha256"
_CHUNK = 1 << 16
_NAME = re.compile(r"[^\x00-\x1f\x7f\\/:*?\"<>|]+")


class BadCapsule(QuantumLayerError):
    """The archive is not what was built; the message names the file and the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Capsule:
    """An archive on your disk; `name`, `grade` and `files` are what its manifest says, empty where it was not read."""

    path: Path
    sha256: str
    name: str = ""
    grade: str = ""
    files: tuple[str, ...] = ()


def keep(id_: str, body: bytes, promised: str, to: Path, *, verify: bool) -> Capsule:
    """Write the archive, checked first, under its final name at once."""
    digest = hashlib.sha256(body).hexdigest()
    if promised and digest != promised:
        raise BadCapsule(f"what came has the sha256 {digest}, and {promised} was promised")
    manifest = _manifest(body) if verify else {}
    path = to / f"{id_}.tar.gz" if to.is_dir() else to
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
        try:
            part.write(body)
            part.close()
            Path(part.name).chmod(0o644)
            Path(part.name).replace(path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise
    return _capsule(path, digest, manifest)


def check_capsule(path: str | Path) -> Capsule:
    """The capsule in a file, if every byte of it is the one that its manifest names; raises `BadCapsule`."""
    with Path(path).open("rb") as file:
        body = file.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise BadCapsule(f"it has more than {MAX_BYTES} bytes")
    return _capsule(Path(path), hashlib.sha256(body).hexdigest(), _manifest(body))


def _capsule(path: Path, digest: str, manifest: Mapping[str, Any]) -> Capsule:
    files = tuple(entry["path"] for entry in manifest.get("files", ()))
    return Capsule(
        path=path, sha256=digest, name=manifest.get("name", ""), grade=manifest.get("grade", ""), files=files
    )


def _manifest(body: bytes) -> dict[str, Any]:
    """The manifest, if it is true."""
    found = _files(body)
    for name in (MANIFEST, MARK):
        if name not in found:
            raise BadCapsule(f"{name}: is missing")
    if found[MARK] != f"{hashlib.sha256(found[MANIFEST]).hexdigest()}  manifest.json\n".encode():
        raise BadCapsule(f"{MANIFEST}: does not match {MARK}")
    try:
        manifest: dict[str, Any] = json.loads(found[MANIFEST])
        listed = {str(entry["path"]): (entry["size"], entry["sha256"]) for entry in manifest["files"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadCapsule(f"{MANIFEST}: can't be read: {error!r}") from None
    if len(listed) != len(manifest["files"]):
        raise BadCapsule(f"{MANIFEST}: lists a file twice")
    for name, (size, digest) in sorted(listed.items()):
        if name not in found:
            raise BadCapsule(f"{name}: is missing")
        if len(found[name]) != size or hashlib.sha256(found[name]).hexdigest() != digest:
            raise BadCapsule(f"{name}: was changed")
    for name in sorted(found.keys() - listed.keys() - {MANIFEST, MARK}):
        raise BadCapsule(f"{name}: is not in the manifest")
    return manifest


def _files(body: bytes) -> dict[str, bytes]:
    """The files of the archive's one folder."""
    files: dict[str, bytes] = {}
    tops: set[str] = set()
    try:
        with tarfile.open(fileobj=io.BytesIO(_unzipped(body)), mode="r:") as tar:
            for member in tar:
                top, _, name = _safe(member.name).partition("/")
                tops.add(top)
                if member.isdir():
                    continue
                if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.sparse is not None:
                    raise BadCapsule(f"{member.name!a}: is neither a file nor a folder")
                opened = tar.extractfile(member)
                content = opened.read() if opened else b""
                if not name or name in files or len(content) != member.size:
                    raise BadCapsule(f"{member.name!a}: is there twice, cut off, or beside the folder")
                files[name] = content
    except (tarfile.TarError, OSError, ValueError, EOFError, RecursionError, OverflowError) as error:
        raise BadCapsule(f"it can't be read: {error!r}") from None
    if len(tops) != 1:
        raise BadCapsule("there must be one folder with everything in it")
    return files


def _safe(name: str) -> str:
    parts = name.rstrip("/").split("/")
    if any(part in {".", ".."} or not _NAME.fullmatch(part) for part in parts):
        raise BadCapsule(f"{name[:200]!a}: is no name of a file that may be unpacked")
    return "/".join(parts)


def _unzipped(body: bytes) -> bytes:
    """At most `MAX_BYTES` of it."""
    out = bytearray()
    try:
        for chunk in _inflated(body):
            out += chunk
            if len(out) > MAX_BYTES:
                raise BadCapsule(f"it unpacks to more than {MAX_BYTES} bytes")
    except zlib.error as error:
        raise BadCapsule(f"it can't be unpacked: {error}") from None
    return bytes(out)


def _inflated(body: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=31)
    rest = body
    while not stream.eof:
        chunk = stream.decompress(rest, _CHUNK)
        rest = stream.unconsumed_tail
        if not chunk and not rest and not stream.eof:
            raise BadCapsule("it is cut off")
        yield chunk
    if stream.unused_data:
        raise BadCapsule("something follows its end")
