"""Anthropic's wire format: `POST /v1/messages`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.providers.http import Request
from tests.providers.wires import (
    MESSAGES,
    Asked,
    BadRequest,
    ByBearer,
    Told,
    arguments,
    document,
    event,
    text,
    turns,
)


class Anthropic(ByBearer):
    """`POST /v1/messages`."""

    name = "anthropic"

    def key(self, request: Request) -> str:
        return request.headers.get("x-api-key", "") or super().key(request)

    def asked(self, request: Request) -> Asked:
        given = document(request)
        if "anthropic-version" not in request.headers:
            raise BadRequest("anthropic-version: header is required")
        if not isinstance(given.get("max_tokens"), int):
            raise BadRequest("max_tokens: Field required")
        system = text(given.get("system"))
        choice = given.get("tool_choice") or {}
        return Asked(
            model=str(given.get("model", "")),
            turns=(*((("system", system),) if system else ()), *turns(given.get("messages"))),
            stream=bool(given.get("stream")),
            most_tokens=given["max_tokens"],
            tool=str(choice.get("name", "")) if choice.get("type") == "tool" else "",
            schema=choice.get("type") == "tool" or "output_format" in given or "output_config" in given,
        )

    def body(self, told: Told) -> dict[str, object]:
        content: list[object] = [{"type": "text", "text": told.text}] if told.text else []
        called = arguments(told)
        if called is not None:
            content = [{"type": "tool_use", "id": f"toolu_{told.id}", "name": told.tool, "input": called}]
        return {
            **self._message(told),
            "content": content,
            "stop_reason": self._stop(told),
            **({"usage": {"input_tokens": told.tokens_in, "output_tokens": told.tokens_out}} if told.usage else {}),
        }

    def events(self, told: Told, pieces: Sequence[str], *, usage: bool) -> Iterator[bytes]:
        counted = usage and told.usage
        opened = {"input_tokens": told.tokens_in, "output_tokens": 1} if counted else {}
        block: dict[str, object] = {"type": "text", "text": ""}
        if told.tool:
            block = {"type": "tool_use", "id": f"toolu_{told.id}", "name": told.tool, "input": {}}
        start = _typed("message_start", message={**self._message(told), "content": [], "usage": opened})
        start += _typed("content_block_start", index=0, content_block=block)
        for at, piece in enumerate(pieces):
            delta = {"type": "text_delta", "text": piece}
            if told.tool:
                delta = {"type": "input_json_delta", "partial_json": piece}
            yield (b"" if at else start) + _typed("content_block_delta", index=0, delta=delta)
        spent = {"usage": {"output_tokens": told.tokens_out}} if counted else {}
        ended = _typed("message_delta", delta={"stop_reason": self._stop(told), "stop_sequence": None}, **spent)
        yield _typed("content_block_stop", index=0) + ended + _typed("message_stop")

    def error(self, status: int, message: str = "") -> dict[str, object]:
        kinds = {
            400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
            429: "rate_limit_error", 529: "overloaded_error",
        }  # fmt: skip
        said = message or MESSAGES.get(status, "Internal server error")
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": said}}

    def too_large(self, size: int, window: int) -> dict[str, object]:
        return self.error(400, f"prompt is too long: {size} tokens > {window} maximum")

    @staticmethod
    def _message(told: Told) -> dict[str, object]:
        return {
            "id": f"msg_{told.id}",
            "type": "message",
            "role": "assistant",
            "model": told.model,
            "stop_reason": None,
            "stop_sequence": None,
        }

    @staticmethod
    def _stop(told: Told) -> str:
        return "max_tokens" if told.cut_off else "tool_use" if told.tool else "end_turn"


def _typed(kind: str, **fields: object) -> bytes:
    return event({"type": kind, **fields}, kind)
