"""ql key …: credentials of other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Keys: nats.", no_args_is_help=True, rich_markup_mode=None)
nats = typer.Typer(
    help="Credentials with which other systems read subscriptions on NATS: issue, list, revoke.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(nats, name="nats")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Name = Annotated[str, typer.Argument(help="The credential's name: a-z 0-9 -.", metavar="NAME")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose events it reads.")]
Accounts = Annotated[
    Path | None,
    typer.Option("--accounts", help="The file that your own NATS server includes; left out: the server of ql up."),
]


@nats.command()
def issue(
    name: Name,
    subscription: Annotated[
        list[str],
        typer.Option("--subscription", help="It reads this one; may be repeated. Left out: the one of its name."),
    ] = [],  # noqa: B006  typer copies it
    tenant: Tenant = "default",
    accounts: Accounts = None,
    as_json: AsJson = False,
) -> None:
    """Make a credential and show its password, this once."""
    from gateway.cli import issuing

    issuing.issue(name, tuple(subscription), tenant, accounts, as_json)


@nats.command("list")
def list_(tenant: Tenant = "default", accounts: Accounts = None, as_json: AsJson = False) -> None:
    """The credentials, and what each reads."""
    from gateway.cli import issuing

    issuing.list_(tenant, accounts, as_json)


@nats.command()
def revoke(name: Name, tenant: Tenant = "default", accounts: Accounts = None) -> None:
    """End a credential; whoever is connected with it is cut off at once."""
    from gateway.cli import issuing

    issuing.revoke(name, tenant, accounts)
