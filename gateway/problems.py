"""RFC 9457 problems: the one shape of every error that leaves the gateway."""

from __future__ import annotations

from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from workers.kit.stores.drops import StoreDown

MEDIA_TYPE = "application/problem+json"
RETRY_S = "2"
"""In how many seconds to come back, where nobody knows better."""
_log = structlog.get_logger()


class FieldError(BaseModel):
    """One wrong part of the request; `pointer` is a JSON pointer into it."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """What went wrong, in words (`detail` says what to do), and in a `code` that programs can match."""

    type: str = Field(examples=["/problems/workflow_not_found"])
    title: str
    status: int
    detail: str
    code: str
    instance: str = ""
    errors: list[FieldError] = []


class ProblemError(Exception):
    """Raised anywhere in a route; answered as a `Problem`."""

    def __init__(self, status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.title, self.detail, self.headers = status, code, title, detail, headers


def respond(
    request: Request,
    error: ProblemError,
    errors: list[FieldError] | None = None,
) -> JSONResponse:
    """The problem as an answer to `request`."""
    headers = {"Retry-After": RETRY_S} if error.status in {429, 503} else {}
    headers |= error.headers or {}
    problem = Problem(
        type=f"/problems/{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        instance=request.url.path,
        errors=errors or [],
    )
    return JSONResponse(problem.model_dump(), status_code=error.status, media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem, its own bugs too (without a word of what they were)."""
    app.add_exception_handler(ProblemError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StoreDown, _down)
    app.add_exception_handler(Exception, _bug)


async def _known(request: Request, error: Exception) -> JSONResponse:
    return respond(request, cast(ProblemError, error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    found = cast(RequestValidationError, error).errors()
    # What our own validators say is a sentence already; pydantic puts the kind of the exception before it.
    errors = [
        FieldError(pointer="/" + "/".join(map(str, e["loc"])), detail=e["msg"].removeprefix("Value error, "))
        for e in found
    ]
    summary = "; ".join(f"{e.pointer}: {e.detail}" for e in errors[:5])
    return respond(request, ProblemError(422, "invalid_request", "The request is not valid", summary), errors)


_HTTP = {
    400: ("unreadable_body", "The body can't be read"),
    404: ("not_found", "There is nothing at this address"),
    405: ("method_not_allowed", "Not with this method"),
    413: ("body_too_large", "The request is too large"),
}


async def _http(request: Request, error: Exception) -> JSONResponse:
    http = cast(HTTPException, error)
    code, title = _HTTP.get(http.status_code, ("http_error", "The request was refused"))
    headers = dict(http.headers) if http.headers else {}
    if http.status_code == 405:
        headers["Allow"] = _methods(request)
    return respond(request, ProblemError(http.status_code, code, title, str(http.detail), headers))


def _methods(request: Request) -> str:
    """Of every route of this address: Starlette names the first one's only."""
    known = [route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in known for method in route.methods}))


async def _down(request: Request, error: Exception) -> JSONResponse:
    _log.warning("store_down", path=request.url.path, error=str(error))
    detail = "A store does not answer; nothing was lost. Send the request again in a few seconds."
    return respond(request, ProblemError(503, "store_down", "Not now", detail))


async def _bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    return respond(
        request, ProblemError(500, "internal_error", "Something broke on our side", "It was logged; please try again.")
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI declaration of these error answers; `gateway.openapi` says what they look like."""
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: {}}} for status in statuses}
