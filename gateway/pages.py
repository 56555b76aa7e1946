"""Lists: pages of JSON with a cursor, and the next page's address in a Link header (RFC 8288); or all that there is as
lines of JSON, read from the store as the client takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from gateway.conditional import NOT_MODIFIED, IfNoneMatch, answer

NDJSON = "application/x-ndjson"
PAGE = 50
MOST = 200
"""In a page, and in what is read at once for a list that is sent as lines."""


_VARY = {"Vary": "Accept"}


class _Row(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Row)
Read = Callable[[str, int], Awaitable[Sequence[R]]]
"""So many rows after this place; from the beginning for no place."""


def _id(row: _Row) -> str:
    return row.id


@dataclass(frozen=True, slots=True)
class Paging:
    """What is asked of a list: how many, as what, and what the client has of it."""

    request: Request
    limit: int | None
    lines: bool
    if_none_match: str

    async def pages(
        self,
        kind: type[BaseModel],
        read: Read[R],
        show: Callable[[R], BaseModel],
        cursor: str,
        place: Callable[[R], str] = _id,
    ) -> Response:
        """The page after `cursor`, as `kind` has it; or every row after it, a line each."""
        if self.lines:
            first = await read(cursor, min(self.limit or MOST, MOST))  # a store that is down is still a problem here
            told = self._rows(first, read, show, place)
            return StreamingResponse(told, media_type=NDJSON, headers=_VARY)
        limit = self.limit or PAGE
        rows = await read(cursor, limit + 1)
        following = place(rows[limit - 1]) if len(rows) > limit else None
        body = kind.model_validate({"items": [show(row) for row in rows[:limit]], "next": following})
        return self._json(body, {"Link": self._link(following)} if following else {})

    def whole(self, body: BaseModel) -> Response:
        """A list that is short by nature: its `items`, all of them."""
        items: Sequence[BaseModel] = vars(body)["items"]
        if not self.lines:
            return self._json(body, {})
        return Response(b"".join(map(_line, items)), media_type=NDJSON, headers=_VARY)

    def _json(self, body: BaseModel, headers: dict[str, str]) -> Response:
        told = answer(body.model_dump_json(by_alias=True).encode(), "application/json", self.if_none_match)
        told.headers.update(_VARY | headers)
        return told

    def _link(self, following: str) -> str:
        url = self.request.url.include_query_params(cursor=following)
        return f'<{url.path}?{url.query}>; rel="next"'

    async def _rows(
        self, rows: Sequence[R], read: Read[R], show: Callable[[R], BaseModel], place: Callable[[R], str]
    ) -> AsyncIterator[bytes]:
        left = self.limit
        asked = min(left or MOST, MOST)
        while rows:
            yield b"".join(_line(show(row)) for row in rows)
            left = None if left is None else left - len(rows)
            if len(rows) < asked or left == 0:
                return
            asked = min(left or MOST, MOST)
            rows = await read(place(rows[-1]), asked)


async def _paging(
    request: Request,
    limit: Annotated[
        int | None, Query(ge=1, le=MOST, description=f"At most so many; {PAGE} in a page of JSON, any number of lines")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    if_none_match: IfNoneMatch = "",
) -> Paging:
    return Paging(request, limit, wants_lines(accept), if_none_match)


async def _unlimited(
    request: Request,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    if_none_match: IfNoneMatch = "",
) -> Paging:
    return Paging(request, None, wants_lines(accept), if_none_match)


Pages = Annotated[Paging, Depends(_paging)]
Short = Annotated[Paging, Depends(_unlimited)]
"""For lists without pages."""


def wants_lines(accept: str) -> bool:
    """Whether NDJSON is asked for by name, and not less than JSON."""
    wanted = dict(map(_quality, accept.lower().split(",")))
    return wanted.get(NDJSON, 0.0) > 0 and wanted[NDJSON] >= wanted.get("application/json", 0.0)


def _quality(named: str) -> tuple[str, float]:
    kind, *parameters = (part.strip() for part in named.split(";"))
    given = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return kind, float(given)
    except ValueError:
        return kind, 0.0


def lines(item: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI declaration of a list's lines, and of a page that the client has; `gateway.openapi` says more."""
    return {200: {"content": {NDJSON: {"schema": {"$ref": f"#/components/schemas/{item.__name__}"}}}}} | NOT_MODIFIED


def _line(item: BaseModel) -> bytes:
    return item.model_dump_json(by_alias=True).encode() + b"\n"
