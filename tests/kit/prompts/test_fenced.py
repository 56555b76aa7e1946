"""A model's fenced text is read in a time that grows with its length, whatever it writes."""

from __future__ import annotations

import subprocess
import sys

import pytest

HOSTILE = """
import contextlib
from workers.kit.prompts.fenced import CutOff, parse_files
with contextlib.suppress(CutOff):
    parse_files({line!r} * {count})
"""


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("```" + " " * 50_000 + "`\n", 1),
        ("```a" + " \t" * 20_000 + "b\n", 1),
        ("`" * 50_000 + "\n", 4),
        ("```\n", 9_999),
    ],
)
def test_no_line_takes_long(line: str, count: int) -> None:
    # In a process of its own: a match that never ends can't be interrupted from here.
    program = HOSTILE.format(line=line, count=count)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=10)
