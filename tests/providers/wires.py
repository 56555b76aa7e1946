"""Three makers' wire formats: what a request asks, how its key is shown, and the bodies and events of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from tests.providers.http import Request

DONE = b"data: [DONE]\n\n"
_MESSAGES = {401: "Incorrect API key provided.", 404: "The model does not exist.", 429: "Rate limit reached."}


class BadRequest(ValueError):
    """The body is not what this format asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for a completion, in no maker's format. `tool`: the answer goes as arguments of this tool."""

    model: str
    turns: tuple[tuple[str, str], ...]
    stream: bool
    most_tokens: int | None
    tool: str = ""
    streamed_usage: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is answered. Without `usage` the token counts are left out."""

    id: str
    model: str
    text: str
    cut_off: bool
    tokens_in: int
    tokens_out: int
    usage: bool = True
    tool: str = ""


class Wire(Protocol):
    """One maker's format."""

    name: str

    def key(self, request: Request) -> str:
        """The API key that the caller showed."""
        ...

    def asked(self, request: Request) -> Asked:
        """Read a request; raises `BadRequest`."""
        ...

    def body(self, told: Told) -> dict[str, object]:
        """The whole answer."""
        ...

    def events(self, told: Told, pieces: Sequence[str], *, usage: bool) -> Iterator[bytes]:
        """The answer as server-sent events: what opens it with each piece's event, and what ends it."""
        ...

    def error(self, status: int, message: str = "") -> dict[str, object]:
        """The body of an error."""
        ...


def _document(request: Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadRequest(f"the body is no JSON object: {error}") from None


def _text(content: object) -> str:
    """Of a message: a string, or a list of blocks."""
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return content if isinstance(content, str) else ""


def _turns(messages: object) -> list[tuple[str, str]]:
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise BadRequest("'messages' is no list of messages")
    return [(str(message.get("role")), _text(message.get("content"))) for message in messages]


def _event(document: Mapping[str, object], name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(document) + b"\n\n"


class OpenAi:
    """`POST /v1/chat/completions`."""

    name = "openai"

    def key(self, request: Request) -> str:
        return request.headers.get("authorization", "").removeprefix("Bearer ")

    def asked(self, request: Request) -> Asked:
        document = _document(request)
        if not document.get("model"):
            raise BadRequest("you must provide a model parameter")
        return Asked(
            model=str(document["model"]),
            turns=tuple(_turns(document.get("messages"))),
            stream=bool(document.get("stream")),
            most_tokens=document.get("max_completion_tokens") or document.get("max_tokens"),
            streamed_usage=bool((document.get("stream_options") or {}).get("include_usage")),
        )

    def body(self, told: Told) -> dict[str, object]:
        message = {"role": "assistant", "content": told.text}
        return {
            "id": f"chatcmpl-{told.id}",
            "object": "chat.completion",
            "created": 0,
            "model": told.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "length" if told.cut_off else "stop"}],
            **({"usage": self._usage(told)} if told.usage else {}),
        }

    def events(self, told: Told, pieces: Sequence[str], *, usage: bool) -> Iterator[bytes]:
        for at, piece in enumerate(pieces):
            delta = {"content": piece} if at else {"role": "assistant", "content": piece}
            yield _event(self._chunk(told, delta, None))
        end = _event(self._chunk(told, {}, "length" if told.cut_off else "stop"))
        if usage and told.usage:
            end += _event({**self._chunk(told, None, None), "usage": self._usage(told)})
        yield end + DONE

    def error(self, status: int, message: str = "") -> dict[str, object]:
        kinds = {401: "invalid_request_error", 429: "requests", 404: "invalid_request_error"}
        codes = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found"}
        said = message or _MESSAGES.get(status, "The server had an error while processing your request.")
        kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return {"error": {"message": said, "type": kind, "param": None, "code": codes.get(status)}}

    @staticmethod
    def _usage(told: Told) -> dict[str, int]:
        total = told.tokens_in + told.tokens_out
        return {"prompt_tokens": told.tokens_in, "completion_tokens": told.tokens_out, "total_tokens": total}

    @staticmethod
    def _chunk(told: Told, delta: object, finish: str | None) -> dict[str, object]:
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
        named = msgspec.json.encode({**_document(request), "model": deployment})
        return super().asked(replace(request, body=named))


class Anthropic:
    """`POST /v1/messages`."""

    name = "anthropic"

    def key(self, request: Request) -> str:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return request.headers.get("x-api-key", "") or bearer

    def asked(self, request: Request) -> Asked:
        document = _document(request)
        if "anthropic-version" not in request.headers:
            raise BadRequest("anthropic-version: header is required")
        if not isinstance(document.get("max_tokens"), int):
            raise BadRequest("max_tokens: Field required")
        system = _text(document.get("system"))
        choice = document.get("tool_choice") or {}
        return Asked(
            model=str(document.get("model", "")),
            turns=(*((("system", system),) if system else ()), *_turns(document.get("messages"))),
            stream=bool(document.get("stream")),
            most_tokens=document["max_tokens"],
            tool=str(choice.get("name", "")) if choice.get("type") == "tool" else "",
        )

    def body(self, told: Told) -> dict[str, object]:
        content: list[object] = [{"type": "text", "text": told.text}] if told.text else []
        called = _arguments(told)
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
        said = message or _MESSAGES.get(status, "Internal server error")
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": said}}

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
    return _event({"type": kind, **fields}, kind)


def _arguments(told: Told) -> object:
    """What a forced tool is called with; None when no tool was asked for or the text can't be its arguments."""
    if not told.tool:
        return None
    try:
        return json.loads(told.text)
    except ValueError:
        return None
