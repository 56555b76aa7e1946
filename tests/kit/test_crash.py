"""Every crash point is passed somewhere, once; dying there is tests/chaos' business."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workers.kit import crash

WORKERS = Path(__file__).parent.parent.parent / "workers"


@pytest.mark.parametrize("point", crash.POINTS)
def test_the_point_is_passed_in_one_place(point: str) -> None:
    call = f'"{point}")'
    passed = [path for path in WORKERS.rglob("*.py") for text in path.read_text().splitlines() if _calls(text, call)]
    assert len(passed) == 1, passed


def _calls(line: str, call: str) -> bool:
    return "crash.at(" in line and line.rstrip().endswith(call)


def test_it_kills_once_at_its_stage_and_point(tmp_path: Path) -> None:
    passed = [("side", "after_s3"), ("draft", "before_s3"), ("draft", "after_s3")]
    program = f"from workers.kit import crash; [crash.at(*place) for place in {passed}]"
    environ = {"PATH": os.defpath, "QL_CRASH": f"draft:after_s3:{tmp_path}/died"}
    ends = [subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode for _ in range(2)]
    assert ends == [-signal.SIGKILL, 0]
