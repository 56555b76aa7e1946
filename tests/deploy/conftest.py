"""A data folder of its own for each test of the stack itself."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(reachable: Path) -> Iterator[Path]:
    """Not made yet: making it is the stack's work."""
    data = reachable / f"data {uuid.uuid4().hex[:8]}, with a space"
    yield data
    shutil.rmtree(data, ignore_errors=True)
