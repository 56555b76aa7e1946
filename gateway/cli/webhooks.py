"""ql webhook …: addresses that hear of your events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from gateway.cli import output

if TYPE_CHECKING:
    from gateway.cli.client import Client, Json
    from gateway.cli.listing import Columns

app = typer.Typer(
    help="Webhooks: add, list, show, test, resend, rotate, enable, remove.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
AT = "/v1/webhooks"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Id = Annotated[str, typer.Argument(help="The webhook's id.", metavar="WEBHOOK")]
ONCE = "This is the only time that the secret is shown; its receiver needs it to know who calls.\n"


def _client() -> Client:
    from gateway.cli import connect
    from gateway.cli.client import Client

    return Client(connect.known_gateway())


def _path(webhook: str, more: str = "") -> str:
    return f"{AT}/{quote(webhook, safe='')}{more}"


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where to: https, at a public address.")],
    on: Annotated[
        list[str] | None,
        typer.Option("--on", help="<stage>.<outcome>, * for any; several times. workflow.* if not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have events told to an address; prints its secret, once."""
    body: Json = {"url": url} | ({"types": on} if on else {})
    with _client() as client:
        made = client.post(AT, body)
    if as_json:
        output.as_json(made)
        return
    sys.stdout.write(output.plain(f"{made['id']}\n{made['secret']}\n"))
    sys.stderr.write(ONCE)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Your webhooks."""
    from gateway.cli import listing

    columns: Columns = {
        "WEBHOOK": "{id}",
        "IS": lambda hook: "off" if hook["disabled_at"] else "on",
        "EVENTS": lambda hook: " ".join(hook["types"]),
        "ADDRESS": "{url}",
    }
    listing.listed(AT, columns, as_json)


@app.command()
def show(
    id_: Id,
    limit: Annotated[int, typer.Option(min=1, max=200, help="So many deliveries.")] = 20,
    state: Annotated[str, typer.Option(help="Only these deliveries: waiting, delivered, failed.")] = "",
    as_json: AsJson = False,
) -> None:
    """One webhook with its newest deliveries."""
    from gateway.cli import listing

    with _client() as client:
        hook = client.get(_path(id_))
        only = {"state": state} if state else {}
        deliveries = client.get(_path(id_, "/deliveries"), limit=limit, **only)["items"]
    if as_json:
        output.as_json({**hook, "deliveries": deliveries})
        return
    off = f"  off since {hook['disabled_at'][:19]}: {hook['disabled_reason']}" if hook["disabled_at"] else ""
    sys.stdout.write(output.plain(f"{hook['id']}  {hook['url']}  on {' '.join(hook['types'])}{off}\n"))
    columns: Columns = {
        "DELIVERY": "{id}",
        "STATE": "{state}",
        "TRIED": "{attempts}",
        "STATUS": lambda row: str(row["status"] or "-"),
        "NEXT": lambda row: (row["next_at"] or "-")[:19],
        "ERROR": lambda row: row["error"] or "",
    }
    listing.show(deliveries, columns, as_json=False)


@app.command()
def test(id_: Id) -> None:
    """Send something that is no event."""
    with _client() as client:
        made = client.post(_path(id_, "/test"))
    sys.stdout.write(made["id"] + "\n")
    sys.stderr.write(f"what came of it: ql webhook show {id_}\n")


@app.command()
def resend(id_: Id, delivery: Annotated[str, typer.Argument(help="The delivery's id.")]) -> None:
    """Send a delivery again, with the same webhook-id."""
    with _client() as client:
        client.post(_path(id_, f"/deliveries/{quote(delivery, safe='')}/resend"))
    sys.stderr.write(f"what came of it: ql webhook show {id_}\n")


@app.command()
def rotate(
    id_: Id,
    keep: Annotated[
        float, typer.Option("--keep-hours", min=0, max=720, help="The old secret signs too for so long.")
    ] = 24,
    as_json: AsJson = False,
) -> None:
    """A new secret, printed once."""
    with _client() as client:
        made = client.post(_path(id_, "/rotate"), {"keep_hours": keep})
    if as_json:
        output.as_json(made)
        return
    sys.stdout.write(made["secret"] + "\n")
    sys.stderr.write(ONCE)


@app.command()
def enable(id_: Id) -> None:
    """Deliver again to one that a 410 turned off."""
    with _client() as client:
        client.post(_path(id_, "/enable"))
    sys.stderr.write(f"on: {id_}\n")


@app.command()
def remove(id_: Id) -> None:
    """Tell it nothing more, and forget its deliveries."""
    with _client() as client:
        client.delete(_path(id_))
    sys.stderr.write(f"removed: {id_}\n")
