"""Lists come in pages: a cursor in the body, and the next page's address in a Link header (RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from fastapi import Request, Response


class _Row(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Row)


def page(
    request: Request, response: Response, rows: Sequence[R], limit: int, place: Callable[[R], str] = lambda row: row.id
) -> tuple[Sequence[R], str | None]:
    """The rows to show of `rows`, of which one more than `limit` was asked for, and the cursor of the page after."""
    if len(rows) <= limit:
        return rows, None
    following = place(rows[limit - 1])
    link = request.url.include_query_params(cursor=following)
    response.headers["Link"] = f'<{link.path}?{link.query}>; rel="next"'
    return rows[:limit], following
