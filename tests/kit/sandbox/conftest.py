"""A real sandbox with a data folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local.paths import make_folder
from workers.kit.registry import Wheels
from workers.kit.sandbox import Bubblewrap

OWN_UID = 62_000
"""No other test's sandboxes run under it, so that what stays behind here is ours."""


@pytest.fixture(scope="session")
def data(reachable: Path) -> Path:
    return make_folder(reachable / "sandbox", 0o755)


@pytest.fixture(scope="session")
async def sandbox(data: Path) -> Bubblewrap:
    made = Bubblewrap(data, Wheels(data / "wheelhouse"), first_uid=OWN_UID)
    missing = await made.probe()
    if missing is not None and not os.environ.get("CI"):
        pytest.skip(f"no sandbox on this machine: {missing.reason}")
    assert missing is None, missing
    return made
