"""A folder of a run's own below the data home, with nothing left of runs that were killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.lock import is_alive
from deploy.local.paths import data_home, make_folder


@contextmanager
def own_folder(kind: str, home: Path | None = None) -> Iterator[Path]:
    """`<kind>-<pid>` for the block; what killed runs of this kind left is taken away first."""
    home = home or data_home()
    for left in home.glob(f"{kind}-*"):
        pid = left.name.removeprefix(f"{kind}-")
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    folder = make_folder(home / f"{kind}-{os.getpid()}")  # PostgreSQL's uid has to pass
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
