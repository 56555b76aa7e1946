"""ql submit, ql workflow …, ql events …."""

from __future__ import annotations

import json
import sys

from gateway.cli import connect, output, prompts
from gateway.cli.client import Client, Json
from gateway.cli.exits import FAILED, CliError


def submit(
    prompt: str, language: str, key: str, budget: float | None, as_json: bool, *, deadline_s: float | None = None
) -> None:
    """Print the new workflow's id."""
    text = prompts.read(prompt)
    with Client(connect.known_gateway()) as client:
        accepted = client.submit(text, language, key, budget, deadline_s)
    if as_json:
        output.as_json(accepted)
    else:
        sys.stdout.write(accepted["id"] + "\n")


def list_(limit: int, state: str, as_json: bool) -> None:
    """Print the newest workflows."""
    with Client(connect.known_gateway()) as client:
        page = client.get("/v1/workflows", limit=limit, state=state)
    if as_json:
        output.as_json(page["items"])
        return
    output.table(
        ("WORKFLOW", "STATE", "CREATED", "PROMPT"),
        [(row["id"], row["state"], row["created_at"][:19], row["prompt"]) for row in page["items"]],
    )


def show(workflow: str, as_json: bool) -> None:
    """Print one workflow with its stages."""
    with Client(connect.known_gateway()) as client:
        found = client.get(f"/v1/workflows/{workflow}")
        if as_json:
            output.as_json(found)
            return
        failed = found["state"] == "failed"
        letters = client.get("/v1/deadletters", workflow=found["id"])["items"] if failed else []
    created, deadline, ended = (found[name] and found[name][:19] for name in ("created_at", "deadline", "ended_at"))
    until = f"ended {ended}" if ended else f"deadline {deadline}"
    sys.stdout.write(f"{found['id']}  {found['state']}  created {created}, {until}\n")
    if found["budget"]["limit"] is not None or found["budget"]["spent"]:
        sys.stdout.write(f"models: {_budget(found['budget'])}\n")
    if found["parent"]:
        sys.stdout.write(f"forked from {found['parent']}\n")
    sys.stdout.writelines(f"forked into {fork}\n" for fork in found["forks"])
    sys.stdout.writelines(output.plain(_asking(stage, one)) + "\n" for stage, one in found["asks"].items())
    if found["error"]:
        sys.stdout.write(output.plain(f"error: {found['error']}") + "\n")
    output.table(
        ("STAGE", "REVISION", "STATE", "ATTEMPTS", "ARTIFACT", "NOTE"),
        [
            (
                drop["stage"],
                str(drop["revision"]),
                drop["state"],
                str(drop["attempts"]),
                (drop["artifact"] or {}).get("sha256", "")[:12],
                _note(drop),
            )
            for drop in found["drops"]
        ],
    )
    _models(found["drops"])
    if failed:
        _how_on(workflow, [letter["id"] for letter in letters])


def _budget(budget: Json) -> str:
    limit = "" if budget["limit"] is None else f" of {budget['limit']:g} USD"
    held = f", {budget['held']:.4f} held by running calls" if budget["held"] else ""
    return f"{budget['spent']:.4f} USD spent{limit}{held}"


def _asking(stage: str, one: Json) -> str:
    model = f" {one['model']}" if one["model"] else ""
    words = f" by a template of its own, {one['template_sha256'][:12]}" if one["template_sha256"] else ""
    return f"{stage} asks{model}{words}"


def _note(drop: Json) -> str:
    """What is not plain about it."""
    if drop["error"] or drop["target"]:
        return str(drop["error"] or f"back to {drop['target']}")
    if drop["reused"] or drop["edited"]:
        return f"from {drop['reused']}" if drop["reused"] else "edited by hand"
    return "unmet" if drop["unmet"] else ""


def _models(drops: list[Json]) -> None:
    """Who was asked in which role, and who in vain."""
    rows = [
        (
            drop["stage"],
            str(drop["revision"]),
            calls["role"],
            calls["model"],
            f"{calls['calls']} ({calls['known']} known)",
            f"{calls['tokens_in']}/{calls['tokens_out']}",
            f"{calls['cost']:.4f}",
            calls["instead"] or (f"after {', '.join(calls['tried'])}" if calls["tried"] else ""),
        )
        for drop in drops
        for calls in drop["calls"]
    ]
    if rows:
        sys.stdout.write("\n")
        output.table(("STAGE", "REVISION", "ROLE", "MODEL", "CALLS", "TOKENS IN/OUT", "USD", "NOTE"), rows)


def _how_on(workflow: str, letters: list[str]) -> None:
    """What a person can do about a failed workflow."""
    sys.stdout.write(f"\nto try again where it failed:  ql workflow resume {workflow}\n")
    sys.stdout.write("to ask for something else:     ql submit PROMPT\n")
    sys.stdout.writelines(f"the work that was given up:    ql deadletter show {letter}\n" for letter in letters)


def cancel(workflow: str, reason: str, as_json: bool) -> None:
    """End it; print the state it has now."""
    with Client(connect.known_gateway()) as client:
        _tell(client.post(f"/v1/workflows/{workflow}/cancel", {"reason": reason}), as_json)


def resume(workflow: str, as_json: bool) -> None:
    """Let it go on; print the state it has now."""
    with Client(connect.known_gateway()) as client:
        _tell(client.post(f"/v1/workflows/{workflow}/resume"), as_json)
    if not as_json:
        sys.stderr.write(f"watch it: ql workflow watch {workflow}\n")


def _tell(row: Json, as_json: bool) -> None:
    if as_json:
        output.as_json(row)
    else:
        sys.stdout.write(f"{row['id']}  {row['state']}\n")


def watch(workflow: str, timeout_s: float, as_json: bool) -> None:
    """Follow to the end; exit status 1 when it did not complete."""
    from gateway.cli.watch import follow

    with Client(connect.known_gateway()) as client:
        board = follow(client.events(workflow, timeout_s=timeout_s), quiet=as_json)
    if as_json:
        output.as_json({"workflow": workflow, "state": board.ended, **board.end})
    if board.ended != "completed":
        said = f"the workflow {board.ended}: {board.end.get('error', '')}".rstrip(": ")
        raise CliError(said, FAILED, board.ended, told=as_json)


def tail(workflow: str, timeout_s: float) -> None:
    """Events as JSON lines on stdout; progress is left out."""
    with Client(connect.known_gateway()) as client:
        for event in client.events(workflow, timeout_s=timeout_s):
            if event.event.startswith("dev.quantumlayer."):
                sys.stdout.write(json.dumps(json.loads(event.data)) + "\n")
                sys.stdout.flush()
