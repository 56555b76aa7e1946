"""ql llm cost, quota, roles, arms: what models take, and what it is worth."""

from __future__ import annotations

import sys
from functools import partial

from gateway.cli import connect, output
from gateway.cli.client import Client, Json
from gateway.cli.exits import USAGE, CliError
from gateway.cli.listing import Columns, listed, show


def cost(by: list[str], workflow: str, since: str, as_json: bool) -> None:
    """Print sums, the dearest first, and the limits."""
    query: dict[str, str | int | list[str]] = {"by": by, "workflow": workflow}
    if since:
        query["since"] = since
    with Client(connect.known_gateway()) as client:
        found = client.get("/v1/usage", **query)
    if as_json:
        output.as_json(found)
        return
    columns: Columns = {name.upper(): partial(_by, name) for name in by} | {
        "CALLS": "{calls}",
        "KNOWN": "{known}",
        "FAILED": "{failed}",
        "STAND-INS": "{stand_ins}",
        "TOKENS IN/OUT": "{tokens_in}/{tokens_out}",
        "USD": "{cost:.4f}",
    }
    show(found["items"], columns, as_json=False)
    sys.stdout.write("\n")
    _budgets(found["budgets"])


def _by(name: str, row: Json) -> str:
    return str(row["by"][name] or "-")


def _budgets(budgets: list[Json]) -> None:
    for one in budgets:
        whose = "this month" if one["scope"] == "month" else "the workflow"
        limit = "no limit" if one["limit"] is None else f"of {one['limit']:g} USD"
        held = f", {one['held']:.4f} held by running calls" if one["held"] else ""
        sys.stdout.write(f"{whose}: {one['spent']:.4f} USD spent, {limit}{held}\n")


def quota(monthly: float | None, none: bool, as_json: bool) -> None:
    """Set the tenant's limit, when one is given; print what it is now."""
    if none and monthly is not None:
        raise CliError("say --monthly or --none, not both", USAGE, "usage")
    with Client(connect.known_gateway()) as client:
        if none or monthly is not None:
            found = client.put("/v1/usage/month", {"limit": monthly})
        else:
            found = client.get("/v1/usage")
    if as_json:
        output.as_json(found["budgets"])
    else:
        _budgets(found["budgets"])


def roles(as_json: bool) -> None:
    """Print how each role does."""
    columns = {
        "ROLE": "{role}",
        "CALLS": "{calls}",
        "SUCCESS": "{success:.0%}",
        "REPAIRS": "{repairs:.0%}",
        "USD": "{cost:.4f}",
        "P50 MS": "{p50_ms}",
        "P95 MS": "{p95_ms}",
    }
    listed("/v1/llm/roles", columns, as_json)


def arms(as_json: bool) -> None:
    """Print the arms of the comparison."""
    columns: Columns = {
        "ARM": "{arm}",
        "WORKFLOWS": "{workflows}",
        "TOLD EXAMPLES": "{told}",
        "FAILED": "{failed}",
        "GRADE (A=4)": lambda one: "-" if one["grade"] is None else f"{one['grade']:.2f}",
        "REPAIRS": "{repairs:.2f}",
        "USD": "{cost:.4f}",
    }
    listed("/v1/llm/arms", columns, as_json)
