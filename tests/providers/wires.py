"""What all makers' wire formats have in common: what a request asks, and what is answered, in nobody's format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from tests.providers.http import EVENTS, Request

MESSAGES = {401: "Incorrect API key provided.", 404: "The model does not exist.", 429: "Rate limit reached."}
CHARS_A_TOKEN = 4


class BadRequest(ValueError):
    """The body is not what this format asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for a completion, in no maker's format. `tool`: the answer goes as arguments of this tool.

    `schema`: whether the form of the answer was passed on, in whichever way this maker takes it.
    """

    model: str
    turns: tuple[tuple[str, str], ...]
    stream: bool
    most_tokens: int | None
    tool: str = ""
    schema: bool = False
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
    """One maker's format. `streams` is the content type of an answer in pieces, `denied` the status for a wrong key."""

    name: str
    streams: str
    denied: int

    def key(self, request: Request) -> str:
        """The API key that the caller showed, as far as it can be seen."""
        ...

    def admits(self, request: Request, key: str) -> bool:
        """Whether the caller has this key."""
        ...

    def asked(self, request: Request) -> Asked:
        """Read a request; raises `BadRequest`."""
        ...

    def body(self, told: Told) -> dict[str, object]:
        """The whole answer."""
        ...

    def events(self, told: Told, pieces: Sequence[str], *, usage: bool) -> Iterator[bytes]:
        """The answer as a stream: what opens it with each piece's event, and what ends it."""
        ...

    def error(self, status: int, message: str = "") -> dict[str, object]:
        """The body of an error."""
        ...

    def too_large(self, size: int, window: int) -> dict[str, object]:
        """The body of status 400 for a question of so many tokens to a model that takes fewer."""
        ...


class ByBearer:
    """The key in the header that most makers take it in; the answer as server-sent events."""

    streams = EVENTS
    denied = 401

    def key(self, request: Request) -> str:
        return request.headers.get("authorization", "").removeprefix("Bearer ")

    def admits(self, request: Request, key: str) -> bool:
        return self.key(request) == key


def document(request: Request) -> dict[str, Any]:
    """The body; raises `BadRequest`."""
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadRequest(f"the body is no JSON object: {error}") from None


def text(content: object) -> str:
    """Of a message: a string, or a list of blocks."""
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return content if isinstance(content, str) else ""


def turns(messages: object) -> list[tuple[str, str]]:
    """Role and text of each message; raises `BadRequest`."""
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise BadRequest("'messages' is no list of messages")
    return [(str(message.get("role")), text(message.get("content"))) for message in messages]


def event(body: Mapping[str, object], name: str = "") -> bytes:
    """A server-sent one."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(body) + b"\n\n"


def arguments(told: Told) -> object:
    """What a forced tool is called with; None when no tool was asked for or the text can't be its arguments."""
    if not told.tool:
        return None
    try:
        return json.loads(told.text)
    except ValueError:
        return None
