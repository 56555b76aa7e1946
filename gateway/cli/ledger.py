"""ql workflow ledger …: a recorded run as a file, to run it again without a provider."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="A workflow's ledger as a file: export, import.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def export(
    workflow: Annotated[str, typer.Argument(help="The workflow's id.", metavar="WORKFLOW")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; standard output when left out.")] = None,
) -> None:
    """Every question and answer that the workflow used, as lines of JSON."""
    from gateway.cli import connect
    from gateway.cli.client import Client

    with Client(connect.known_gateway()) as client:
        body = client.fetch(f"/v1/workflows/{workflow}/ledger")
    if out is None:
        sys.stdout.buffer.write(body)
    else:
        out.write_bytes(body)
        sys.stderr.write(f"{len(body.splitlines()) - 1} answers in {out}\n")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An exported file.", exists=True, dir_okay=False, readable=True)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Keep the answers that your ledger does not hold yet; what is there stays."""
    from gateway.cli import connect, output
    from gateway.cli.client import Client

    with Client(connect.known_gateway()) as client:
        told = client.send("/v1/ledger", file.read_bytes())
    if as_json:
        output.as_json(told)
    else:
        sys.stdout.write(f"{told['new']} of {told['entries']} answers are new\n")
