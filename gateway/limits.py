"""How large a request may be, how many a tenant may send in a minute, and how many of a kind there may be at once:
beyond that it is refused, so that nobody fills the memory or keeps all others waiting."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import ProblemError, respond
from gateway.state import TENANT

MAX_BODY = 1 << 20
MAX_UPLOAD = 16 << 20
LARGER = {"/v1/ledger": 64 << 20}
"""Where a whole file is sent."""
ARTIFACTS = "/v1/artifacts/"


class BodyLimit:
    """Answers 413 for a body above `MAX_BODY` bytes (or what its path may have), declared or counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        most = MAX_UPLOAD if scope["path"].startswith(ARTIFACTS) else LARGER.get(scope["path"], MAX_BODY)
        if not declared.isdigit() or int(declared) > most:
            await self._refuse(scope, receive, send, most)
            return
        await self._app(scope, _counted(receive, most), send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        error = ProblemError(413, "body_too_large", "The request is too large", _too_large(most))
        await respond(Request(scope), error)(scope, receive, send)


def _too_large(most: int) -> str:
    return f"At most {most} bytes are taken."


def _counted(receive: Receive, most: int) -> Receive:
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413, _too_large(most))
        return message

    return counting


WINDOW_S = 60.0


class Quota:
    """So many requests of a tenant in a minute, to this process."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._ends = 0.0
        self._taken: Counter[str] = Counter()

    def take(self, tenant: str) -> tuple[int, float]:
        """How many are left after this one, below 0 for one too many, and seconds until they are all there again."""
        now = time.monotonic()
        if now >= self._ends:
            self._ends = now + WINDOW_S
            self._taken.clear()
        self._taken[tenant] += 1
        return self.most - self._taken[tenant], self._ends - now


class RateLimit:
    """Answers 429 above the quota, and tells how much of it is left (draft-ietf-httpapi-ratelimit-headers-10)."""

    def __init__(self, app: ASGIApp, quota: Quota) -> None:
        self._app = app
        self._quota = quota
        self._policy = f'"requests";q={quota.most};w={WINDOW_S:.0f}'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        left, again = self._quota.take(TENANT)
        seconds = math.ceil(again)
        told = [
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", f'"requests";r={max(left, 0)};t={seconds}'.encode()),
        ]

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        if left >= 0:
            await self._app(scope, receive, telling)
            return
        detail = f"{self._quota.most} requests in a minute are taken of one tenant; come back in {seconds} s."
        error = ProblemError(429, "too_many_requests", "Too many requests", detail, {"Retry-After": str(seconds)})
        await respond(Request(scope), error)(scope, receive, telling)


class Room:
    """Places for requests of one kind; who finds none is answered 503 and told when to come back."""

    def __init__(self, places: int, problem: Callable[[], ProblemError]) -> None:
        self.free = places
        self._problem = problem

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places, for as long as the block lasts."""
        if not self.free:
            raise self._problem()
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1
