"""The wheels on this machine, by their sha256, and one folder of links for each lock.

Everything is made beside its place and renamed into it: two processes at once, or a killed one, do no harm.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from .folders import shared
from .locktext import Pin

_LOCK_NAME = re.compile(r"[0-9a-f]{64}")


class Wheel(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a lock's folder."""

    path: Path
    name: str
    version: str
    sha256: str


class CorruptWheel(Exception):
    """A file that the lock does not know: damaged, or put there by somebody else."""


class Wheels:
    """The `Wheelhouse` port over a folder. Its folders can be read by everybody: the sandbox's user must."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, wheels: str) -> Path:
        """The folder of links that a lock names."""
        if not _LOCK_NAME.fullmatch(wheels):
            raise ValueError("a lock's wheelhouse is named by a sha256")
        return self._folder / "locks" / wheels

    def workspace(self) -> Path:
        """A fresh folder to download into, on the same file system; the caller removes it."""
        shared(self._folder / "locks")
        return Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))

    def stored(self, wheels: str, pins: Iterable[Pin]) -> tuple[Wheel, ...] | None:
        """The lock's wheels, each read and checked; None when they are not there, or one of them is damaged."""
        folder = self.folder(wheels)
        if not folder.is_dir():
            return None
        try:
            return _matched(folder, pins)
        except CorruptWheel:
            for path in folder.iterdir():
                self._forget(path)
            shutil.rmtree(folder, ignore_errors=True)
            return None

    def add(self, wheels: str, pins: Iterable[Pin], downloaded: Path) -> tuple[Wheel, ...]:
        """Take over the files of `downloaded` as this lock's; `CorruptWheel` unless they are exactly what it names."""
        links = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            for wheel in _matched(downloaded, pins):
                os.link(self._kept(wheel), links / wheel.path.name)
            links.chmod(0o755)
            _rename(links, self.folder(wheels))
        finally:
            shutil.rmtree(links, ignore_errors=True)
        return _matched(self.folder(wheels), pins)

    def _kept(self, wheel: Wheel) -> Path:
        place = shared(self._folder / wheel.sha256[:2] / wheel.sha256)
        wheel.path.chmod(0o644)
        return wheel.path.replace(place / wheel.path.name)

    def _forget(self, link: Path) -> None:
        """The stored file behind a link, wherever its name says that it is: damaged files are linked, too."""
        inode = link.stat().st_ino
        for path in self._folder.glob(f"[0-9a-f][0-9a-f]/*/{link.name}"):
            if path.stat().st_ino == inode:
                path.unlink(missing_ok=True)


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, with the same content
            raise


def _matched(folder: Path, pins: Iterable[Pin]) -> tuple[Wheel, ...]:
    wanted = {pin.name: pin for pin in pins}
    found = [_wheel(path) for path in sorted(folder.iterdir())]
    for wheel in found:
        pin = wanted.get(wheel.name)
        if pin is None or wheel.sha256 not in pin.sha256s:
            raise CorruptWheel(f"{wheel.path.name} is not the file that the lock names")
    if len(found) != len(wanted):
        raise CorruptWheel(f"{len(found)} wheels for {len(wanted)} packages")
    return tuple(found)


def _wheel(path: Path) -> Wheel:
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise CorruptWheel(str(error)) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Wheel(path=path, name=canonicalize_name(name), version=str(version), sha256=digest)
