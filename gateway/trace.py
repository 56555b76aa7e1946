"""The trace of a workflow begins here: taken over from the caller, or begun."""

from __future__ import annotations

import re
import secrets
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from observability.telemetry import SpanKind, span

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def fresh_traceparent(given: str) -> str:
    """The caller's trace context where it is a good one, else a new one: also without a collector, logs share an id."""
    if _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class Tracing:
    """One server span a request, named by the route's template: never by an id. Streams and probes have none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/") or scope["path"].endswith("/events"):
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        context = fresh_traceparent(given.decode("latin-1"))
        with span(scope["method"], SpanKind.SERVER, context) as current:

            async def noting(message: Any) -> None:
                if message["type"] == "http.response.start":
                    route = scope.get("route")
                    current.update_name(f"{scope['method']} {getattr(route, 'path', '(none)')}")
                    current.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, noting)
