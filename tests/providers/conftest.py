"""The real litellm, as the router's process has it; imported once, by the first test that needs it (4 s)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.calling import MODELS, Caller

PRIVATE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}


@pytest.fixture(scope="session")
async def litellm() -> AsyncIterator[Any]:
    os.environ.update(PRIVATE)
    import litellm as imported
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    imported.suppress_debug_info = True
    # One it doesn't know would have it ask the server for the model's data, and all else in this process wait for that.
    imported.register_model(
        {f"ollama_chat/{MODELS['ollama_chat']}": {"litellm_provider": "ollama_chat", "mode": "chat"}}
    )
    yield imported
    await close_litellm_async_clients()  # type: ignore[no-untyped-call]


@pytest.fixture
def caller(litellm: Any) -> Caller:
    return Caller(litellm)
