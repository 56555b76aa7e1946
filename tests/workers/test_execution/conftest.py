"""A real sandbox and a real wheelhouse, made once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from contracts.artifacts import Lock
from tests.workers.semantic_validation.sample import contract
from workers.dependency_resolution.stage import STAGE as RESOLVE
from workers.kit.registry import Index, Wheels
from workers.kit.sandbox import Bubblewrap


@pytest_asyncio.fixture(scope="session")
async def sandbox() -> AsyncIterator[Bubblewrap]:
    data = Path(tempfile.mkdtemp(prefix="ql-test-execution-"))
    data.chmod(0o755)
    made = Bubblewrap(data, Wheels(data / "wheelhouse"))
    missing = await made.probe()
    if missing is not None and not os.environ.get("CI"):
        shutil.rmtree(data)
        pytest.skip(f"no sandbox on this machine: {missing.reason}")
    assert missing is None, missing
    yield made
    shutil.rmtree(data)


@pytest_asyncio.fixture(scope="session")
async def lock(sandbox: Bubblewrap) -> Lock:
    found = await RESOLVE(Index(sandbox._data))(contract())
    assert found.findings == ()
    return found
