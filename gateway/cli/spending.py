"""ql llm cost, quota, roles, arms: what models take, and what it is worth."""

from __future__ import annotations

import sys

from gateway.cli import connect, output
from gateway.cli.client import Client, Json
from gateway.cli.exits import USAGE, CliError


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
    output.table(
        (*(name.upper() for name in by), "CALLS", "KNOWN", "FAILED", "STAND-INS", "TOKENS IN/OUT", "USD"),
        [
            (
                *(row["by"][name] or "-" for name in by),
                str(row["calls"]),
                str(row["known"]),
                str(row["failed"]),
                str(row["stand_ins"]),
                f"{row['tokens_in']}/{row['tokens_out']}",
                f"{row['cost']:.4f}",
            )
            for row in found["items"]
        ],
    )
    sys.stdout.write("\n")
    _budgets(found["budgets"])


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
    with Client(connect.known_gateway()) as client:
        found = client.get("/v1/llm/roles")["items"]
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("ROLE", "CALLS", "SUCCESS", "REPAIRS", "USD", "P50 MS", "P95 MS"),
        [
            (
                one["role"],
                str(one["calls"]),
                f"{one['success']:.0%}",
                f"{one['repairs']:.0%}",
                f"{one['cost']:.4f}",
                str(one["p50_ms"]),
                str(one["p95_ms"]),
            )
            for one in found
        ],
    )


def arms(as_json: bool) -> None:
    """Print the arms of the comparison."""
    with Client(connect.known_gateway()) as client:
        found = client.get("/v1/llm/arms")["items"]
    if as_json:
        output.as_json(found)
        return
    output.table(
        ("ARM", "WORKFLOWS", "TOLD EXAMPLES", "FAILED", "GRADE (A=4)", "REPAIRS", "USD"),
        [
            (
                one["arm"],
                str(one["workflows"]),
                str(one["told"]),
                str(one["failed"]),
                "-" if one["grade"] is None else f"{one['grade']:.2f}",
                f"{one['repairs']:.2f}",
                f"{one['cost']:.4f}",
            )
            for one in found
        ],
    )
