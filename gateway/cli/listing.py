"""Commands that list: what the gateway has at a path, as a table for people or as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from gateway.cli import connect, output
from gateway.cli.client import Client, Json

Columns = Mapping[str, str | Callable[[Json], str]]
"""By their heads: a format of a row's fields, or what a function makes of the row."""


def listed(path: str, columns: Columns, as_json: bool, **query: str | int) -> None:
    """Print the items at the path; says so when there are more."""
    with Client(connect.known_gateway()) as client:
        page = client.get(path, **query)
    show(page["items"], columns, as_json)
    if page.get("next") and not as_json:
        sys.stderr.write(f"these are the newest {len(page['items'])}; there are more (--limit)\n")


def show(rows: list[Json], columns: Columns, as_json: bool) -> None:
    """Print what was fetched."""
    if as_json:
        output.as_json(rows)
        return
    cells = columns.values()
    output.table(tuple(columns), [tuple(_cell(cell, row) for cell in cells) for row in rows])


def _cell(cell: str | Callable[[Json], str], row: Json) -> str:
    return cell.format_map(row) if isinstance(cell, str) else cell(row)
