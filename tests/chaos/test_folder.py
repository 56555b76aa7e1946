"""What a killed run leaves is taken away by the next one, and nothing of a living one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.chaos.folder import own_folder


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive, other = (tmp_path / f"soak-{name}" for name in (gone.pid, os.getppid(), "notes"))
    for folder in (dead, alive, other):
        (folder / "stack").mkdir(parents=True)
    with own_folder("soak", tmp_path) as mine:
        assert mine.is_dir()
        assert [folder.is_dir() for folder in (dead, alive, other)] == [False, True, True]
    assert not mine.exists()
