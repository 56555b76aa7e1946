"""The Llm port's adapters: over NATS to the router, and in process for unit tests. Both speak the same dialogue."""

from __future__ import annotations

from .client import LlmClient
from .direct import DirectLlm

__all__ = ["DirectLlm", "LlmClient"]
