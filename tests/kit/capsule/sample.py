"""A small capsule's parts, and archives with anything in them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

from workers.kit.capsule import FileEntry, Manifest, build

FILES = {
    "README.md": b"# Plums\n",
    "src/plums/__init__.py": b"",
    "src/plums/models.py": b"LIMIT = 3\n",
    "tests/test_models.py": b"def test_one():\n    assert 1\n",
    ".quantumlayer/evidence/tests.json": b"{}\n",
}
MANIFEST = Manifest(
    name="plums", title="Plums", kind="cli", language="python", grade="A", reasons=("all is well",), unmet=(),
    stages=(), trace=(), files=(),
)  # fmt: skip


def origin(path: str) -> FileEntry:
    return FileEntry(path=path, sha256="", size=0, stage="code_generation", drop="code_generation.1", artifact="a" * 64)


def capsule(files: Mapping[str, bytes] = FILES) -> bytes:
    return build(MANIFEST, files, [origin(path) for path in files])


def contents(archive: bytes) -> dict[str, bytes]:
    """By the standard library, so that our own reader does not judge itself."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {}
        for member in tar.getmembers():
            stream = tar.extractfile(member)
            assert stream is not None
            found[member.name] = stream.read()
        return found


def packed(entries: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar.gz as another tool might make it, hostile ones among them."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as tar:
        for info, body in entries:
            tar.addfile(info, io.BytesIO(body))
    return gzip.compress(raw.getvalue())


def entry(name: str, body: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, body


def repacked(archive: bytes, changes: Mapping[str, bytes | None], form: int = tarfile.GNU_FORMAT) -> bytes:
    """The archive unpacked, changed and packed again by another tool, with its clock and owner."""
    files = {**contents(archive), **{f"plums/{path}": body for path, body in changes.items()}}
    return packed(
        (
            entry(name, body, mtime=1_700_000_000, uid=1000, uname="joe", mode=0o600)
            for name, body in files.items()
            if body is not None
        ),
        form,
    )
