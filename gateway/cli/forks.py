"""ql workflow fork, ql workflow resume --from."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.cli import connect, output, prompts
from gateway.cli.client import Client, Json
from gateway.cli.exits import USAGE, CliError

FIRST = "prompt_enhancement"


def fork(
    workflow: str,
    stage: str,
    change: str,
    edit: str,
    dry_run: bool,
    as_json: bool,
    *,
    model: str = "",
    deadline_s: float | None = None,
    templates: Sequence[str] = (),
) -> None:
    """Print the new workflow's id, or what would happen."""
    body: Json = {"from": stage, "dry_run": dry_run}
    if change:
        name, given, prompt = change.partition("=")
        if name != "prompt" or not given:
            raise CliError(f"--set takes prompt=TEXT (or @FILE), not {change[:80]!r}", USAGE, "set")
        body |= {"from": stage or FIRST, "prompt": prompts.read(prompt)}
    if edit:
        name, given, file = edit.partition("=")
        if not given or stage not in {"", name}:
            raise CliError("--edit takes STAGE=FILE, and the fork begins at that stage", USAGE, "edit")
        body |= {"from": name, "artifact": _artifact(Path(file))}
    if deadline_s is not None:
        body["deadline_s"] = deadline_s
    if model:
        body["model"] = model
    if templates:
        body["templates"] = dict(_template(given) for given in templates)
        body["from"] = body["from"] or templates[0].partition("=")[0]
    if not body["from"]:
        how = "--from STAGE, --set prompt=TEXT, --edit STAGE=FILE or --template STAGE=FILE"
        raise CliError(f"say from where: {how}", USAGE, "from")
    with Client(connect.known_gateway()) as client:
        forked = client.post(f"/v1/workflows/{workflow}/forks", body)
    if as_json:
        output.as_json(forked)
    elif dry_run:
        _plan(forked["plan"], other_model=bool(model))
    else:
        sys.stdout.write(forked["id"] + "\n")
        sys.stderr.write(f"watch it: ql workflow watch {forked['id']}\n")


def _template(wish: str) -> tuple[str, str]:
    """A stage, and what is to be told in the place of its template."""
    name, given, file = wish.partition("=")
    if not given:
        raise CliError("--template takes STAGE=FILE", USAGE, "template")
    try:
        return name, Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CliError(f"{file} holds no text: {error}", USAGE, "template") from error


def _artifact(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CliError(f"{path} holds no JSON: {error}", USAGE, "edit") from error
    if not isinstance(found, dict):
        raise CliError(f"{path} holds no JSON object", USAGE, "edit")
    return found


def _plan(plan: Json, *, other_model: bool) -> None:
    first = plan["from"]
    rows = [(name, "taken over") for name in plan["reused"]]
    rows += [(plan["edited"], "edited")] if plan["edited"] else []
    rows += [(name, "runs" if name == first else "runs if its inputs change") for name in plan["runs"]]
    rows += [(name, "unchanged, taken over in its turn") for name in plan["unchanged"]]
    output.table(("STAGE", "WHAT BECOMES OF IT"), rows)
    sys.stdout.write(
        f"\nin the parent, those that may run took {plan['calls']} calls to models, {plan['cost']:.4f} USD\n"
        + ("(that is what the parent paid: another model may cost more or less)\n" if other_model else "")
    )
