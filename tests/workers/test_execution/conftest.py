"""A real sandbox and a real wheelhouse, made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import pytest_asyncio

from contracts.artifacts import Lock
from tests.servers import data_folder
from tests.workers.semantic_validation.sample import contract
from workers.dependency_resolution.stage import STAGE as RESOLVE
from workers.kit.registry import Index, Wheels
from workers.kit.sandbox import Bubblewrap


@pytest_asyncio.fixture(scope="session")
async def sandbox(reachable: Path) -> Bubblewrap:
    data = data_folder(reachable / "test-execution")
    made = Bubblewrap(data, Wheels(data / "wheelhouse"))
    missing = await made.probe()
    if missing is not None and not os.environ.get("CI"):
        pytest.skip(f"no sandbox on this machine: {missing.reason}")
    assert missing is None, missing
    return made


@pytest_asyncio.fixture(scope="session")
async def lock(sandbox: Bubblewrap) -> Lock:
    found = await RESOLVE(Index(sandbox._data))(contract())
    assert found.findings == ()
    return found
