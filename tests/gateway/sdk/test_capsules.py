"""Capsules, real and hostile, as the SDK judges them: without a network, and without our own verifier."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from quantumlayer import BadCapsule, check_capsule
from workers.kit.capsule.archive import pack

FILES = {"README.md": b"# Books\n", "src/books.py": b"A = 1\n"}
MANIFEST, MARK = ".quantumlayer/manifest.json", ".quantumlayer/manifest.sha256"


def manifested(files: Mapping[str, bytes], listed: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    entries = [
        {"path": path, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
        for path, body in (files if listed is None else listed).items()
    ]
    manifest = json.dumps({"schema": 1, "name": "books", "grade": "A", "files": entries}).encode()
    return {
        **files,
        MANIFEST: manifest,
        MARK: f"{hashlib.sha256(manifest).hexdigest()}  manifest.json\n".encode(),
    }


def tarred(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, body in manifested(FILES).items():
            plain = tarfile.TarInfo(f"books/{path}")
            plain.size = len(body)
            tar.addfile(plain, io.BytesIO(body))
        for info, body in entries:
            tar.addfile(info, io.BytesIO(body))
    return gzip.compress(raw.getvalue())


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", body: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(body)
    return info, body


def in_file(folder: Path, body: bytes) -> Path:
    path = folder / "books.tar.gz"
    path.write_bytes(body)
    return path


def test_one_that_is_as_it_was_built(tmp_path: Path) -> None:
    found = check_capsule(in_file(tmp_path, pack("books", manifested(FILES))))
    assert (found.name, found.grade, set(found.files)) == ("books", "A", set(FILES))
    assert check_capsule(in_file(tmp_path, tarred())).name == "books"


def changed(**files: bytes | None) -> bytes:
    built = {**manifested(FILES), **{name: body for name, body in files.items() if body is not None}}
    return pack("books", {name: body for name, body in built.items() if name not in files or files[name] is not None})


HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "was changed": lambda: changed(**{"src/books.py": b"A = 2\n"}),
    "is missing": lambda: changed(**{"src/books.py": None}),
    "is not in the manifest": lambda: changed(**{"src/more.py": b""}),
    "does not match": lambda: changed(**{MANIFEST: b"{}"}),
    f"{MARK}: is missing": lambda: changed(**{MARK: None}),
    "can't be unpacked": lambda: b"not a tar.gz",
    "is cut off": lambda: tarred()[:-20],
    "something follows": lambda: tarred() + b"more",
    "can't be read": lambda: gzip.compress(b"no tar at all" * 100),
    "unpacks to more": lambda: gzip.compress(bytes(65 << 20)),
    "one folder": lambda: tarred(entry("elsewhere/a.py")),
    "no name": lambda: tarred(entry("books/../../etc/passwd")),
    "no name of": lambda: tarred(entry("/etc/passwd")),
    "that may be unpacked": lambda: tarred(entry("books/a\nb")),
    "neither a file": lambda: tarred(entry("books/link", tarfile.SYMTYPE, "/etc/passwd")),
    "neither a file nor": lambda: tarred(entry("books/hard", tarfile.LNKTYPE, "books/README.md")),
    "neither a file nor a": lambda: tarred(entry("books/pipe", tarfile.FIFOTYPE)),
    "is there twice": lambda: tarred(entry("books/README.md", body=b"another")),
}


@pytest.mark.parametrize("says", HOSTILE)
def test_whatever_else_it_is_says_why(tmp_path: Path, says: str) -> None:
    with pytest.raises(BadCapsule) as refused:
        check_capsule(in_file(tmp_path, HOSTILE[says]()))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "manifest",
    [b"[]", b"null", b"[" * 100_000, b'{"files": 7}', b'{"files": [{"path": []}]}', b'{"files": [1]}', b"\xff"],
)
def test_a_manifest_that_is_none(tmp_path: Path, manifest: bytes) -> None:
    mark = f"{hashlib.sha256(manifest).hexdigest()}  manifest.json\n".encode()
    with pytest.raises(BadCapsule, match="can't be read"):
        check_capsule(in_file(tmp_path, pack("books", {**FILES, MANIFEST: manifest, MARK: mark})))


def test_a_file_that_is_listed_twice(tmp_path: Path) -> None:
    built = manifested(FILES)
    manifest = json.loads(built[MANIFEST])
    manifest["files"] *= 2
    body = json.dumps(manifest).encode()
    mark = f"{hashlib.sha256(body).hexdigest()}  manifest.json\n".encode()
    with pytest.raises(BadCapsule, match="twice"):
        check_capsule(in_file(tmp_path, pack("books", {**FILES, MANIFEST: body, MARK: mark})))
