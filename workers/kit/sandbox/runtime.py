"""The interpreter and the installer that the sandbox sees, in a folder that an unprivileged user can read.

The running Python may live under a home that the sandbox's uid can't enter, so it is copied once, without what is
installed into it. A Python under /usr is there for everybody: it is used where it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
import uv

from workers.kit.registry.folders import shared

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Half of the size, and nothing that a program under test imports.
_LEFT_OUT = shutil.ignore_patterns("site-packages", "dist-packages", "test", "idlelib", "turtledemo", "config-*", "*.a")


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """`tools` holds uv; `python` is the copied prefix, None when `prefix` itself is used."""

    tools: Path
    python: Path | None
    prefix: Path


def prepare(folder: Path) -> Runtime:
    """Make the copies under `folder` unless they are there; safe when several processes do it at once."""
    prefix = Path(sys.base_prefix).resolve()
    installer = Path(uv.find_uv_bin())
    version = ".".join(map(str, sys.version_info[:3]))
    home = folder / f"python-{version}-{_mark(prefix, installer)}"
    if not home.exists():
        shared(folder)
        _make(folder, home, prefix, installer)
    everywhere = prefix.is_relative_to("/usr")
    return Runtime(tools=home / "tools", python=None if everywhere else home / "python", prefix=prefix)


def closed_to_others(path: Path) -> Path | None:
    """The first folder on the way to `path` that another user can't enter; we never change its mode."""
    parents = (folder for folder in reversed(path.absolute().parents) if not folder.stat().st_mode & 0o001)
    return next(parents, None if path.stat().st_mode & 0o005 == 0o005 else path)


def _mark(prefix: Path, installer: Path) -> str:
    """Another interpreter or another uv gets another folder."""
    binary = (prefix / "bin" / PYTHON).stat()
    tool = installer.stat()
    seen = [str(prefix), sys.version, binary.st_size, binary.st_mtime_ns, tool.st_size, tool.st_mtime_ns]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:12]


def _make(folder: Path, home: Path, prefix: Path, installer: Path) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        _copy_file(installer, shared(fresh / "tools") / "uv")
        if not prefix.is_relative_to("/usr"):
            _copy_python(prefix, fresh / "python")
        fresh.chmod(0o755)
        fresh.rename(home)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not home.exists():  # another process was faster: then its copy is as good as ours
            raise


def _copy_python(prefix: Path, target: Path) -> None:
    programs, libraries = shared(target / "bin"), shared(target / "lib")
    _copy_file((prefix / "bin" / PYTHON).resolve(), programs / PYTHON)
    for alias in ("python", "python3"):
        (programs / alias).symlink_to(PYTHON)
    for library in (prefix / "lib").glob("libpython*.so*"):
        _copy_file(library.resolve(), libraries / library.name)
    shutil.copytree(
        prefix / "lib" / PYTHON,
        libraries / PYTHON,
        ignore=_LEFT_OUT,
        copy_function=_copy_file,
        ignore_dangling_symlinks=True,
    )
    for path in (libraries / PYTHON).rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    (libraries / PYTHON).chmod(0o755)
    shared(libraries / PYTHON / "site-packages")


def _copy_file(source: str | Path, target: str | Path) -> str:
    copy = Path(shutil.copyfile(source, target))
    status = Path(source).stat()
    copy.chmod(0o755 if status.st_mode & 0o100 else 0o644)
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))  # compiled files are judged by this
    return str(copy)
