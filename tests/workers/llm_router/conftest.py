"""litellm, once for all tests of this process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.conftest import litellm as litellm


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, litellm: Any) -> None:
    """litellm, which else pauses half a second before it asks again."""
    import litellm.utils

    monkeypatch.setattr(litellm.utils, "INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr(litellm.utils, "JITTER", 0.0)
