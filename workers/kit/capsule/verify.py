"""Is a capsule what was built? Offline, for an archive or an unpacked folder; every difference names its file.

What it does not protect against: whoever changes a file, its line in the manifest and manifest.sha256 together. For an
archive the sha256 of `workflow.completed` shows that; a signature will. In a folder, what a person's own work leaves
behind (environments, caches, build results) is not looked at.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from contracts.paths import UnsafePath, safe_path

from . import manifest as form
from .archive import MAX_BYTES, BadArchive
from .manifest import Manifest
from .reader import read

_OWN = frozenset([form.MANIFEST, form.MANIFEST_SHA256])
_LEFT_BEHIND = frozenset(
    [
        ".venv", "venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "build", "dist", "htmlcov",
        "node_modules", ".git", ".coverage",
    ]
)  # fmt: skip
"""At the top only: deeper down a folder of such a name could be imported."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """`files` counts those that the manifest lists; `name` and `grade` are '' when it can't be read."""

    ok: bool
    problems: tuple[str, ...]
    name: str = ""
    grade: str = ""
    files: int = 0


def verify(path: Path) -> Verification:
    """Never raises for what is in the capsule, only for a path that can't be opened."""
    if path.is_dir():
        return _verified(*_of_folder(path))
    if path.stat().st_size > MAX_BYTES:
        return Verification(ok=False, problems=(f"{path.name}: larger than any capsule",))
    try:
        folder, files = read(path.read_bytes())
    except (BadArchive, UnsafePath) as error:
        return Verification(ok=False, problems=(f"{path.name}: {error}",))
    return _verified(files, (), folder)


def _verified(files: Mapping[str, bytes], problems: tuple[str, ...], folder: str = "") -> Verification:
    body = files.get(form.MANIFEST)
    if body is None:
        return Verification(ok=False, problems=(f"{form.MANIFEST}: is missing", *problems))
    try:
        manifest = form.decode(body)
    except ValueError as error:
        return Verification(ok=False, problems=(f"{form.MANIFEST}: {error}", *problems))
    found = [*problems, *_mark(files, body), *_differences(manifest, files)]
    if folder and folder != manifest.name:
        found.append(f"{folder}: the folder is not called {manifest.name}, as the manifest says")
    return Verification(
        ok=not found, problems=tuple(found), name=manifest.name, grade=manifest.grade, files=len(manifest.files)
    )


def _mark(files: Mapping[str, bytes], body: bytes) -> Iterator[str]:
    mark = files.get(form.MANIFEST_SHA256)
    if mark is None:
        yield f"{form.MANIFEST_SHA256}: is missing"
    elif mark != f"{hashlib.sha256(body).hexdigest()}  manifest.json\n".encode():
        yield f"{form.MANIFEST}: does not match {form.MANIFEST_SHA256}"


def _differences(manifest: Manifest, files: Mapping[str, bytes]) -> Iterator[str]:
    listed = {entry.path: entry for entry in manifest.files}
    if len(listed) != len(manifest.files):
        yield f"{form.MANIFEST}: lists a file twice"
    for path, entry in sorted(listed.items()):
        body = files.get(path)
        if body is None:
            yield f"{path}: is missing"
        elif len(body) != entry.size or hashlib.sha256(body).hexdigest() != entry.sha256:
            yield f"{path}: was changed"
    for path in sorted(files.keys() - listed.keys() - _OWN):
        yield f"{path}: is not in the manifest"


def _of_folder(root: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files to be judged, and what is not even a file."""
    files: dict[str, bytes] = {}
    problems: list[str] = []
    if not (root / form.MANIFEST).is_file():
        return files, ()
    listed = _listed(root)
    room = MAX_BYTES
    for path in sorted({*_walked(root), *(path for path in listed if os.path.lexists(root / path))}):
        body = _body(root / path, room)
        if body is None:
            problems.append(f"{path}: is not a plain file of a capsule's size")
        else:
            files[path] = body
            room -= len(body)
    return files, tuple(problems)


def _listed(root: Path) -> frozenset[str]:
    """What the manifest names is looked at wherever it lies, also in a folder that is otherwise passed over."""
    body = _body(root / form.MANIFEST, MAX_BYTES)
    try:
        return frozenset(safe_path(entry.path) for entry in form.decode(body or b"").files)
    except ValueError:
        return frozenset()


def _walked(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root, followlinks=False):
        # A link to a folder is told of like any other file that is none.
        links = [name for name in folders if Path(folder, name).is_symlink()]
        top = folder == os.fspath(root)
        folders[:] = [name for name in folders if not _passed_over(name, top=top) and name not in links]
        for name in (*names, *links):
            if not _passed_over(name, top=top):
                yield Path(folder, name).relative_to(root).as_posix()


def _passed_over(name: str, *, top: bool) -> bool:
    return name == "__pycache__" or name.endswith(".egg-info") or (top and name in _LEFT_BEHIND)


def _body(path: Path, limit: int) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        return file.read() if stat.S_ISREG(status.st_mode) and status.st_size <= limit else None
