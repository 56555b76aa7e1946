"""JetStream's management API as plain JSON: every field the server knows, also those a client library does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from nats.aio.client import Client

NOT_FOUND = frozenset({10014, 10037, 10059})
"""No such consumer, message, stream."""


class ApiError(Exception):
    """The server refused; `code` is its error code (10000 and above)."""

    def __init__(self, subject: str, code: int, description: str) -> None:
        super().__init__(f"{subject}: {description} ({code})")
        self.code = code


async def call(nc: Client, subject: str, payload: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The answer to `$JS.API.<subject>`; raises `ApiError`, or an error of the client when nobody answers."""
    body = msgspec.json.encode(payload) if payload is not None else b""
    message = await nc.request(f"$JS.API.{subject}", body, timeout=10)
    answer: dict[str, Any] = msgspec.json.decode(message.data)
    if (error := answer.get("error")) is not None:
        raise ApiError(subject, error.get("err_code", 0), error.get("description", ""))
    return answer


async def find(nc: Client, subject: str, payload: Mapping[str, object] | None = None) -> dict[str, Any] | None:
    """As `call`, but None for what does not exist."""
    try:
        return await call(nc, subject, payload)
    except ApiError as error:
        if error.code in NOT_FOUND:
            return None
        raise
