"""litellm, once for all tests of this process."""

from __future__ import annotations

from tests.providers.conftest import litellm as litellm
