"""AWS Bedrock's Converse: `POST /model/<id>/converse`, and `…/converse-stream` in frames of its own, all signed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

import msgspec

from tests.providers.http import FRAMES, Request
from tests.providers.sigv4 import key_id, signed
from tests.providers.wires import Asked, BadRequest, Told, arguments, document, text, turns

_STRING = 7
_ERRORS = {
    400: "The provided model identifier is invalid.",
    403: "The security token included in the request is invalid.",
    404: "Could not resolve the foundation model from the provided model identifier.",
    429: "Too many requests, please wait before trying again.",
    503: "Bedrock is unable to process your request.",
}


class Bedrock:
    """The key is the secret one: it is in no request, only its signature is."""

    name = "bedrock"
    streams = FRAMES
    denied = 403

    def key(self, request: Request) -> str:
        return key_id(request)

    def admits(self, request: Request, key: str) -> bool:
        return signed(request, key)

    def asked(self, request: Request) -> Asked:
        given = document(request)
        _, model, action = request.path.strip("/").split("/")
        for message in given.get("messages") or ():
            if not all("text" in block for block in message.get("content", ())):
                raise BadRequest("the content of a message is no list of texts")
        system = text(given.get("system"))
        choice = (given.get("toolConfig") or {}).get("toolChoice") or {}
        return Asked(
            model=unquote(model),
            turns=(*((("system", system),) if system else ()), *turns(given.get("messages"))),
            stream=action == "converse-stream",
            most_tokens=(given.get("inferenceConfig") or {}).get("maxTokens"),
            tool=str((choice.get("tool") or {}).get("name", "")),
            schema="toolConfig" in given or "outputConfig" in given,
        )

    def body(self, told: Told) -> dict[str, object]:
        content: list[object] = [{"text": told.text}] if told.text else []
        called = arguments(told)
        if called is not None:
            content = [{"toolUse": {"toolUseId": f"tooluse_{told.id}", "name": told.tool, "input": called}}]
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": _stop(told),
            "metrics": {"latencyMs": 1},
            **({"usage": _usage(told)} if told.usage else {}),
        }

    def events(self, told: Told, pieces: Sequence[str], *, usage: bool) -> Iterator[bytes]:
        start = frame("messageStart", {"role": "assistant"})
        if told.tool:
            block = {"toolUse": {"toolUseId": f"tooluse_{told.id}", "name": told.tool}}
            start += frame("contentBlockStart", {"start": block, "contentBlockIndex": 0})
        for at, piece in enumerate(pieces):
            delta = {"toolUse": {"input": piece}} if told.tool else {"text": piece}
            one = frame("contentBlockDelta", {"delta": delta, "contentBlockIndex": 0})
            yield one if at else start + one
        end = frame("contentBlockStop", {"contentBlockIndex": 0}) + frame("messageStop", {"stopReason": _stop(told)})
        counted = {"usage": _usage(told)} if told.usage else {}
        yield end + frame("metadata", {**counted, "metrics": {"latencyMs": 1}})

    def error(self, status: int, message: str = "") -> dict[str, object]:
        return {"message": message or _ERRORS.get(status, "The system encountered an unexpected error.")}

    def too_large(self, size: int, window: int) -> dict[str, object]:
        return {"message": "Input is too long for requested model."}


def frame(kind: str, body: Mapping[str, object]) -> bytes:
    """One event: lengths, their checksum, headers, JSON, the whole's checksum."""
    payload = msgspec.json.encode(body)
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (":event-type", kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        )
    )
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(value)) + value.encode()


def _stop(told: Told) -> str:
    return "max_tokens" if told.cut_off else "tool_use" if told.tool else "end_turn"


def _usage(told: Told) -> dict[str, int]:
    total = told.tokens_in + told.tokens_out
    return {"inputTokens": told.tokens_in, "outputTokens": told.tokens_out, "totalTokens": total}
