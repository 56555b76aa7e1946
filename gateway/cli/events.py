"""ql events …: everything as it happens; durable subscriptions on NATS for other systems."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Events: tail, follow; subscriptions of other systems.", no_args_is_help=True, rich_markup_mode=None
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Name = Annotated[str, typer.Argument(help="The subscription's name: a-z 0-9 -.", metavar="NAME")]


@app.command()
def follow(
    after: Annotated[
        str, typer.Option("--after", help="Go on behind this event: its position, as it was printed.")
    ] = "",
    from_sequence: Annotated[
        int | None, typer.Option("--from-sequence", help="Begin at this one of the stream; 1 is the first.", min=1)
    ] = None,
    type_: Annotated[
        list[str], typer.Option("--type", help="Only these types; * at the end for many; may be repeated.")
    ] = [],  # noqa: B006  typer copies it
    workflow: Annotated[str, typer.Option("--workflow", help="Only this workflow's.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only what has happened.")] = False,
) -> None:
    """Print the events of all workflows as JSON lines: from now on, or from another place, through every cut."""
    from gateway.cli import subscribing

    asked: list[tuple[str, str | int]] = [("type", one) for one in type_]
    asked += [("workflow", workflow)] if workflow else []
    asked += [("from_sequence", from_sequence)] if from_sequence is not None else []
    subscribing.follow(asked, after, wait=not no_wait)


@app.command()
def subscribe(
    name: Name,
    from_sequence: Annotated[
        int | None, typer.Option("--from-sequence", help="Begin at this one of the stream.", min=1)
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Begin at this time: 2026-11-21T12:00:00Z.")] = "",
    last_per_subject: Annotated[
        bool, typer.Option("--last-per-subject", help="Begin with each subject's last.")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin with what comes from now on.")] = False,
    workflow: Annotated[str, typer.Option("--workflow", help="Only this workflow's.")] = "",
    stage: Annotated[list[str], typer.Option("--stage", help="Only this stage's; may be repeated.")] = [],  # noqa: B006  typer copies it
    ordered: Annotated[bool, typer.Option("--ordered", help="Nothing before the last is acknowledged.")] = False,
    ack_wait: Annotated[int, typer.Option("--ack-wait", help="Seconds until it comes again.", min=1, max=3600)] = 30,
    as_json: AsJson = False,
) -> None:
    """Make a durable pull consumer for another system, from the first event on, and print how to read it."""
    from gateway.cli import subscribing

    start = "new" if new else "last_per_subject" if last_per_subject else "all"
    wanted: dict[str, object] = {"start": start, "workflow": workflow, "stages": stage, "ordered": ordered}
    wanted["ack_wait"] = ack_wait
    if from_sequence is not None:
        wanted["from_sequence"] = from_sequence
    if since:
        wanted["since"] = since
    subscribing.subscribe(name, wanted, both=new and last_per_subject, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """The subscriptions, and how far each is."""
    from gateway.cli import subscribing

    subscribing.list_(as_json)


@app.command()
def delete(name: Name) -> None:
    """Delete a subscription, and with it how far its reader was."""
    from gateway.cli import subscribing

    subscribing.delete(name)
