"""Which maker's format a request is in, by its path."""

from __future__ import annotations

import re

from tests.providers.anthropic import Anthropic
from tests.providers.bedrock import Bedrock
from tests.providers.ollama import Ollama
from tests.providers.openai import Azure, Groq, Keyless, OpenAi
from tests.providers.wires import Wire

OPENAI, AZURE, ANTHROPIC = OpenAi(), Azure(), Anthropic()
_BY_PATH: tuple[tuple[str, Wire], ...] = (
    ("/v1/chat/completions", OPENAI),
    ("/v1/messages", ANTHROPIC),
    ("/openai/deployments/[^/]+/chat/completions", AZURE),
    ("/openai/v1/chat/completions", Groq()),
    ("/keyless/v1/chat/completions", Keyless()),
    ("/api/chat", Ollama()),
    ("/model/[^/]+/converse(-stream)?", Bedrock()),
)


def wire(path: str) -> Wire | None:
    """None for what is no completion."""
    return next((one for pattern, one in _BY_PATH if re.fullmatch(pattern, path)), None)
