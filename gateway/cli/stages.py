"""ql stage …: what waits for each stage, and pausing one for everybody."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from gateway.cli import output

if TYPE_CHECKING:
    from gateway.cli.client import Client, Json
    from gateway.cli.listing import Columns

app = typer.Typer(help="Stages: list, pause, resume (for everybody).", no_args_is_help=True, rich_markup_mode=None)
AT = "/v1/stages"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Name = Annotated[str, typer.Argument(help="The stage's name; see: ql stage list", metavar="STAGE")]


def _client() -> Client:
    from gateway.cli import connect
    from gateway.cli.client import Client

    return Client(connect.known_gateway())


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every stage with what waits for it."""
    from gateway.cli import listing

    columns: Columns = {
        "STAGE": "{name}",
        "PENDING": lambda stage: "?" if stage["pending"] is None else str(stage["pending"]),
        "WORKING": "{working}",
        "AGAIN": "{again}",
        "IS": _is,
    }
    listing.listed(AT, columns, as_json)


def _is(stage: Json) -> str:
    paused = stage["paused"]
    return f"paused since {paused['since'][:19]}: {paused['reason'] or 'no reason given'}" if paused else "on"


@app.command()
def pause(
    stage: Name, reason: Annotated[str, typer.Option("--reason", help="Why, for whoever looks at it.")] = ""
) -> None:
    """Take no new work for a stage, for any tenant; what was begun is finished."""
    with _client() as client:
        found = client.post(f"{AT}/{quote(stage, safe='')}/pause", {"reason": reason})
    sys.stderr.write(output.plain(f"{found['name']}: {_is(found)}\n"))


@app.command()
def resume(stage: Name) -> None:
    """Let a stage take work again."""
    with _client() as client:
        found = client.post(f"{AT}/{quote(stage, safe='')}/resume")
    sys.stderr.write(output.plain(f"{found['name']}: {_is(found)}\n"))
