"""An archive onto a disk: all of it or nothing, and never outside its own new folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .reader import read

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(archive: bytes | Path, into: Path) -> Path:
    """The archive's folder, made in `into`; raises `BadArchive`, `UnsafePath`, or `FileExistsError` if it is there."""
    name, files = read(archive.read_bytes() if isinstance(archive, Path) else archive)
    target = into / name
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} is already there")
    into.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{name[:60]}-", dir=into))
    try:
        _write(fresh, files)
        fresh.chmod(0o755)
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return target


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    top = os.open(root, _FOLDER)
    try:
        for path, body in files.items():
            *folders, name = path.split("/")
            folder = _entered(top, folders)
            try:
                with os.fdopen(os.open(name, _NEW, 0o644, dir_fd=folder), "wb") as file:
                    file.write(body)
            finally:
                os.close(folder)
    finally:
        os.close(top)


def _entered(top: int, folders: list[str]) -> int:
    """A descriptor of the innermost folder; each is made where it is missing and never reached through a link."""
    current = os.dup(top)
    for name in folders:
        try:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
            inner = os.open(name, _FOLDER, dir_fd=current)
        finally:
            os.close(current)
        current = inner
    return current
