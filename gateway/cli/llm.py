"""ql llm …: its commands; what they do is in `asking`, `spending` and `switching`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Models: calls, models, test, cost, quota, roles, arms, switches, off, on.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Provider = Annotated[str, typer.Argument(help="A provider, as in QL_MODELS before the slash; '*' for all.")]
Tenant = Annotated[
    str, typer.Option("--tenant", help="An operator's: this tenant, '*' for all. It needs QL_DATABASE_URL, or ql up.")
]
Workflow = Annotated[str, typer.Option("--workflow", help="Only this workflow's.")]


@app.command()
def calls(
    workflow: Workflow = "",
    stage: Annotated[str, typer.Option(help="Only this stage's.")] = "",
    role: Annotated[str, typer.Option(help="Only in this role.")] = "",
    model: Annotated[str, typer.Option(help="Only this model's: <provider>/<model>.")] = "",
    outcome: Annotated[str, typer.Option(help="Only these: answered, known, failed, stand_in.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest calls: who was asked, who in vain, what it took."""
    from gateway.cli import asking

    which = {"workflow": workflow, "stage": stage, "role": role, "model": model, "outcome": outcome}
    asking.calls(which, limit, as_json)


@app.command()
def call(id_: Annotated[str, typer.Argument(help="The call's id.", metavar="CALL")], as_json: AsJson = False) -> None:
    """One call: what was asked and answered."""
    from gateway.cli import asking

    asking.call(id_, as_json)


@app.command()
def models(as_json: AsJson = False) -> None:
    """The models that may be asked, and how they are."""
    from gateway.cli import asking

    asking.models(as_json)


@app.command("test")
def try_(
    name: Annotated[str, typer.Argument(help="A model or a group; all when left out.", metavar="[NAME]")] = "",
    as_json: AsJson = False,
) -> None:
    """Ask each model one tiny question; what to set for one that does not answer."""
    from gateway.cli import asking

    asking.try_(name, as_json)


@app.command()
def cost(
    by: Annotated[
        list[str],
        typer.Option(
            help="By workflow, stage, task, role, model, provider, outcome, tenant, month or day. May be repeated."
        ),
    ] = ["model"],  # noqa: B006  typer copies it
    workflow: Workflow = "",
    since: Annotated[str, typer.Option(help="Only calls from this time on: 2026-11-30, or with T and a time.")] = "",
    as_json: AsJson = False,
) -> None:
    """What models took, and what is left of the limits."""
    from gateway.cli import spending

    spending.cost(by, workflow, since, as_json)


@app.command()
def quota(
    monthly: Annotated[float | None, typer.Option("--monthly", help="US dollars a month.", min=0)] = None,
    none: Annotated[bool, typer.Option("--none", help="No limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """What models may take each month; without an option, what it is now."""
    from gateway.cli import spending

    spending.quota(monthly, none, as_json)


@app.command()
def roles(as_json: AsJson = False) -> None:
    """How each role did in the last 30 days: success, repairs, cost, latency."""
    from gateway.cli import spending

    spending.roles(as_json)


@app.command()
def arms(as_json: AsJson = False) -> None:
    """What examples of earlier work are worth, against workflows that were held out."""
    from gateway.cli import spending

    spending.arms(as_json)


@app.command()
def switches(as_json: AsJson = False) -> None:
    """What is switched off, and why."""
    from gateway.cli import switching

    switching.list_(as_json)


@app.command()
def off(
    provider: Provider,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever waits for it.")] = "",
    tenant: Tenant = "",
) -> None:
    """Ask this provider nothing more, within two seconds."""
    from gateway.cli import switching

    switching.off(provider, reason, tenant)


@app.command()
def on(provider: Provider, tenant: Tenant = "") -> None:
    """Let this provider be asked again."""
    from gateway.cli import switching

    switching.on(provider, tenant)
