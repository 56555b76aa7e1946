"""Ollama's own wire format: `POST /api/chat`; a stream is a JSON document a line, and no key is asked for.

What is longer than `num_ctx` is no error there: the beginning is cut away, and the model sees the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tests.providers.http import LINES, Request
from tests.providers.wires import CHARS_A_TOKEN, MESSAGES, Asked, BadRequest, ByBearer, Told, document, turns

WINDOW = 4096
"""Tokens that a model holds where `num_ctx` says nothing."""
_AT = "2026-01-01T00:00:00Z"


class Ollama(ByBearer):
    """Tokens are counted as the rest of the provider does."""

    name = "ollama"
    streams = LINES

    def admits(self, request: Request, key: str) -> bool:
        return True

    def asked(self, request: Request) -> Asked:
        given = document(request)
        options = given.get("options") or {}
        if not given.get("model"):
            raise BadRequest("model is required")
        most = options.get("num_predict")
        return Asked(
            model=str(given["model"]),
            turns=seen(turns(given.get("messages")), int(options.get("num_ctx") or WINDOW)),
            stream=bool(given.get("stream", True)),
            schema=isinstance(given.get("format"), dict),
            most_tokens=most if isinstance(most, int) and most > 0 else None,
        )

    def body(self, told: Told) -> dict[str, object]:
        return {**_said(told, told.text), **_ended(told, usage=told.usage)}

    def events(self, told: Told, pieces: Sequence[str], *, usage: bool) -> Iterator[bytes]:
        for piece in pieces:
            yield msgspec.json.encode({**_said(told, piece), "done": False}) + b"\n"
        yield msgspec.json.encode({**_said(told, ""), **_ended(told, usage=told.usage)}) + b"\n"

    def error(self, status: int, message: str = "") -> dict[str, object]:
        return {"error": message or MESSAGES.get(status, "llama runner process has terminated")}

    def too_large(self, size: int, window: int) -> dict[str, object]:
        return self.error(400, "the input length exceeds the context length")


def seen(given: Sequence[tuple[str, str]], window: int) -> tuple[tuple[str, str], ...]:
    """The last turns that fit, and of a single one that doesn't its end."""
    left, kept = window * CHARS_A_TOKEN, []
    for role, said in reversed(given):
        if left > 0:
            kept.append((role, said[-left:]))
        left -= len(said)
    return tuple(reversed(kept))


def _said(told: Told, piece: str) -> dict[str, object]:
    return {"model": told.model, "created_at": _AT, "message": {"role": "assistant", "content": piece}}


def _ended(told: Told, *, usage: bool) -> dict[str, object]:
    counted = {"prompt_eval_count": told.tokens_in, "eval_count": told.tokens_out} if usage else {}
    return {"done": True, "done_reason": "length" if told.cut_off else "stop", "total_duration": 1, **counted}
