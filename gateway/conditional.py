"""Answers that a client may have already: an ETag, and 304 for who names it in If-None-Match (RFC 9110)."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Response

IfNoneMatch = Annotated[str, Header(max_length=8192, description="ETags that you have: 304 if it is one of them")]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "You have it already"}}


def tag(digest: str) -> str:
    """The ETag of bytes with this sha256."""
    return f'"{digest}"'


def has(if_none_match: str, etag: str) -> bool:
    """Whether the client has it."""
    named = (given.strip() for given in if_none_match.split(","))
    return any(given == "*" or given.removeprefix("W/") == etag for given in named)


def answer(body: bytes, media_type: str, if_none_match: str, cache: str = "no-cache") -> Response:
    """`body`, or 304; `cache` says how long it may be used unasked."""
    headers = {"ETag": tag(sha256(body).hexdigest()), "Cache-Control": cache}
    if has(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
