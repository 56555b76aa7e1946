"""What an exception of litellm means: its class and status tell, its sentence is for people, without keys."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

from .said import Failed
from .scrub import Scrub

_WRAPPING = re.compile(r"^(?:litellm\.)?[A-Za-z]*(?:Error|Exception|Timeout)\s*[:-]\s*")
_NO_CREDIT = ("insufficient_quota", "exceeded your current quota")
_ANTHROPIC_CREDIT = "credit balance is too low"
"""Told with status 400, like a mistake in the question."""
_FILTERED = ("content_filter", "content management policy", "content_policy_violation")

_LOST = {"ReadTimeout", "ReadError"}
_CLOSED = {"ServerDisconnectedError", "ClientOSError", "RemoteProtocolError"}
"""httpx's and aiohttp's, at the bottom of litellm's. One that could not be connected to is none of them."""
IDLE_S = 2.0
"""A connection that was kept, and was just being closed, is noticed sooner."""
_DEEP = 8
_LARGE = ("context_length_exceeded", "input length exceeds the context length", "prompt is too long")
"""Those that litellm does not know as such; told with status 400, like a mistake in the question."""


def read_error(error: Exception, scrub: Scrub) -> Failed | None:
    """None for one that is not a provider's."""
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return None
    told = _sentence(error, scrub)
    kind = type(error).__name__
    raw = str(error)
    if kind == "ContextWindowExceededError" or status == 413 or (status == 400 and any(w in raw for w in _LARGE)):
        return Failed(kind="large", error=told)
    if kind == "ContentPolicyViolationError" or (status == 400 and any(word in raw for word in _FILTERED)):
        return Failed(kind="refused", error=told)
    maker = getattr(error, "llm_provider", None)
    spent = (status == 429 and any(word in raw for word in _NO_CREDIT)) or (
        status == 400 and maker == "anthropic" and _ANTHROPIC_CREDIT in raw
    )
    if spent or status in {401, 402, 403, 404}:
        return Failed(kind="unusable", error=told)
    if status == 429:
        return Failed(kind="fault", error=told, pause_s=_retry_after(error) or 0.0)
    if kind in {"Timeout", "APIConnectionError"} or status >= 500 or status == 408:
        return Failed(kind="fault", error=told, pause_s=_retry_after(error))
    return Failed(kind="rejected", error=told)


def worked(error: BaseException, after_s: float) -> bool:
    """Whether the provider had the question and was lost before the end of its answer: it may have written it all."""
    names: set[str] = set()
    cause: BaseException | None = error
    for _ in range(_DEEP):
        cause = cause and (cause.__cause__ or cause.__context__)
        names.add(type(cause).__name__)
    return after_s > IDLE_S if names & _CLOSED else bool(names & _LOST)


def _sentence(error: Exception, scrub: Scrub) -> str:
    """`429: the provider's own words`."""
    said = str(error).partition("\n")[0]
    while (bare := _WRAPPING.sub("", said)) != said:
        said = bare
    kind = type(error).__name__
    what = {"Timeout": "no answer in time", "APIConnectionError": "the connection failed"}.get(kind)
    return scrub(f"{what or getattr(error, 'status_code', '')}: {said}")


def _retry_after(error: Exception) -> float | None:
    """Seconds, from the answer's header, which holds seconds or a date."""
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        told = str((headers or {}).get("retry-after", ""))
        if not told:
            continue
        try:
            return max(0.0, float(told))
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
        except ValueError:
            continue
    return None
