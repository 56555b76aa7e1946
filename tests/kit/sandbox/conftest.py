"""A real sandbox with a data folder of its own, which the sandbox's user can enter (pytest's own folders it can't)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from workers.kit.registry import Wheels
from workers.kit.sandbox import Bubblewrap


@pytest.fixture(scope="session")
def data() -> object:
    folder = Path(tempfile.mkdtemp(prefix="ql-sandbox-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="session")
async def sandbox(data: Path) -> AsyncIterator[Bubblewrap]:
    made = Bubblewrap(data, Wheels(data / "wheelhouse"))
    missing = await made.probe()
    if missing is not None and not os.environ.get("CI"):
        pytest.skip(f"no sandbox on this machine: {missing.reason}")
    assert missing is None, missing
    yield made
