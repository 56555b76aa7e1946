"""Who may be asked for: a gateway on loopback answers to loopback names only.

Without this, a web page whose name its owner points at 127.0.0.1 (DNS rebinding) could read everything from a browser.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.problems import ProblemError, respond

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class LoopbackNames:
    """Answers 421 for a Host that is no name of this machine's loopback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _name(scope) in LOOPBACK:
            await self._app(scope, receive, send)
            return
        detail = "This gateway listens on loopback: ask for 127.0.0.1 or localhost."
        error = ProblemError(421, "misdirected_request", "Not the host that was asked for", detail)
        await respond(Request(scope), error)(scope, receive, send)


def _name(scope: Scope) -> str:
    host: str = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
