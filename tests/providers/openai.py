"""OpenAI's wire format, and those who speak it in their own way: Azure, Groq, and servers that take no key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tests.providers.http import Request
from tests.providers.wires import MESSAGES, Asked, BadRequest, ByBearer, Told, document, event, turns

DONE = b"data: [DONE]\n\n"


class OpenAi(ByBearer):
    """`POST /v1/chat/completions`."""

    name = "openai"

    def asked(self, request: Request) -> Asked:
        given = document(request)
        if not given.get("model"):
            raise BadRequest("you must provide a model parameter")
        choice = given.get("tool_choice")
        return Asked(
            model=str(given["model"]),
            turns=tuple(turns(given.get("messages"))),
            stream=bool(given.get("stream")),
            most_tokens=given.get("max_completion_tokens") or given.get("max_tokens"),
            tool=str(choice["function"]["name"]) if isinstance(choice, dict) else "",
            schema=isinstance(choice, dict) or (given.get("response_format") or {}).get("type") == "json_schema",
            streamed_usage=bool((given.get("stream_options") or {}).get("include_usage")),
        )

    def body(self, told: Told) -> dict[str, object]:
        message: dict[str, object] = {"role": "assistant", "content": told.text}
        if told.tool:
            message |= {"content": None, "tool_calls": [_call(told)]}
        return {
            "id": f"chatcmpl-{told.id}",
            "object": "chat.completion",
            "created": 0,
            "model": told.model,
            "choices": [{"index": 0, "message": message, "finish_reason": _finish(told)}],
            **({"usage": _usage(told)} if told.usage else {}),
        }

    def events(self, told: Told, pieces: Sequence[str], *, usage: bool) -> Iterator[bytes]:
        for at, piece in enumerate(pieces):
            delta = {"content": piece} if at else {"role": "assistant", "content": piece}
            yield event(self._chunk(told, delta, None))
        yield event(self._chunk(told, {}, _finish(told))) + self._ended(told, usage=usage) + DONE

    def error(self, status: int, message: str = "") -> dict[str, object]:
        kinds = {401: "invalid_request_error", 429: "requests", 404: "invalid_request_error"}
        codes = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found"}
        said = message or MESSAGES.get(status, "The server had an error while processing your request.")
        kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return {"error": {"message": said, "type": kind, "param": None, "code": codes.get(status)}}

    def too_large(self, size: int, window: int) -> dict[str, object]:
        said = (
            f"This model's maximum context length is {window} tokens. However, your messages resulted in {size} tokens."
            " Please reduce the length of the messages."
        )
        kind = {"type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}
        return {"error": {"message": said, **kind}}

    def _ended(self, told: Told, *, usage: bool) -> bytes:
        """What tells how much it took, where that was asked for."""
        if not (usage and told.usage):
            return b""
        return event({**self._chunk(told, None, None), "usage": _usage(told)})

    @staticmethod
    def _chunk(told: Told, delta: object, finish: str | None) -> dict[str, Any]:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {
            "id": f"chatcmpl-{told.id}",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": told.model,
            "choices": choices,
        }


class Azure(OpenAi):
    """`POST /openai/deployments/<name>/chat/completions?api-version=…`: OpenAI's format, the model in the path."""

    name = "azure"

    def key(self, request: Request) -> str:
        return request.headers.get("api-key", "") or super().key(request)

    def asked(self, request: Request) -> Asked:
        if "api-version=" not in request.query:
            raise BadRequest("the query has no api-version")
        deployment = request.path.split("/")[3]
        named = msgspec.json.encode({**document(request), "model": deployment})
        return super().asked(replace(request, body=named))


class Groq(OpenAi):
    """`POST /openai/v1/chat/completions`: a stream tells what it took without being asked, in a field of its own."""

    name = "groq"

    def asked(self, request: Request) -> Asked:
        if document(request).get("stream") and document(request).get("response_format"):
            raise BadRequest("`response_format` does not support streaming")
        return replace(super().asked(request), streamed_usage=True)

    def body(self, told: Told) -> dict[str, object]:
        """litellm can't do without the tier."""
        return {**super().body(told), "service_tier": "on_demand", "x_groq": {"id": f"req_{told.id}"}}

    def too_large(self, size: int, window: int) -> dict[str, object]:
        said = "Please reduce the length of the messages or completion."
        kind = {"type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}
        return {"error": {"message": said, **kind}}

    def _ended(self, told: Told, *, usage: bool) -> bytes:
        if not told.usage:
            return b""
        ended = {**self._chunk(told, None, None), "x_groq": {"id": f"req_{told.id}", "usage": _usage(told)}}
        return event({**ended, "usage": _usage(told)} if usage else ended)


class Keyless(OpenAi):
    """vLLM's server, and Ollama's in OpenAI's format: `POST /v1/chat/completions`, any key or none."""

    name = "keyless"

    def admits(self, request: Request, key: str) -> bool:
        return True

    def error(self, status: int, message: str = "") -> dict[str, object]:
        said = message or MESSAGES.get(status, "EngineCore encountered an issue.")
        kind = "NotFoundError" if status == 404 else "BadRequestError" if status < 500 else "InternalServerError"
        return {"error": {"message": said, "type": kind, "param": None, "code": status}}

    def too_large(self, size: int, window: int) -> dict[str, object]:
        return self.error(
            400,
            f"This model's maximum context length is {window} tokens. However, your request has {size} input tokens."
            " Please reduce the length of the input messages.",
        )


def _finish(told: Told) -> str:
    return "length" if told.cut_off else "tool_calls" if told.tool else "stop"


def _call(told: Told) -> dict[str, object]:
    named = {"name": told.tool, "arguments": told.text}
    return {"id": f"call_{told.id}", "type": "function", "function": named}


def _usage(told: Told) -> dict[str, int]:
    total = told.tokens_in + told.tokens_out
    return {"prompt_tokens": told.tokens_in, "completion_tokens": told.tokens_out, "total_tokens": total}
