"""How a package is used, as its README and its reference tell it: per kind."""

from __future__ import annotations

import json
import shlex

from contracts.artifacts import Contract

from . import names, samples
from .design import RANGED, Design, Resource
from .markdown import code, shown
from .text import literal


def use(contract: Contract, plan: Design) -> str:
    match contract.kind:
        case "rest_api":
            return _service(contract, plan)
        case "cli":
            return _tool(contract, plan)
        case "library":
            return _library(plan)


def reference(contract: Contract, plan: Design) -> str:
    match contract.kind:
        case "rest_api":
            return _routes(contract, plan)
        case "cli":
            return _commands(contract)
        case "library":
            return _exports(contract)


def _service(contract: Contract, plan: Design) -> str:
    start = " ".join(contract.run.start)
    lines = [
        "## Start\n",
        "```sh",
        f".venv/bin/{start}",
        "```\n",
        "The service listens on http://127.0.0.1:8000; `PORT` in the environment chooses another port, and "
        f"`DATABASE_PATH` the SQLite file (else `{plan.module}.db` in the current folder). Its routes can be tried at "
        "http://127.0.0.1:8000/docs.\n",
    ]
    if plan.resources:
        resource = next((found for found in plan.resources if not found.references), plan.resources[0])
        body = json.dumps(example(resource), ensure_ascii=False)
        lines += [
            f"A first {resource.noun}:\n",
            "```sh",
            f"curl -X POST http://127.0.0.1:8000/{resource.segment} \\",
            f"  -H 'content-type: application/json' -d {shlex.quote(body)}",
            f"curl http://127.0.0.1:8000/{resource.segment}",
            "```\n",
        ]
    return "\n".join(lines)


def example(resource: Resource) -> dict[str, object]:
    """A valid record without what may be left out."""
    return {field.name: samples.value(field) for field in resource.given if field.required and not field.default}


def _routes(contract: Contract, plan: Design) -> str:
    rows = [f"| `{route.method} {route.path}` | {shown(route.summary)} | {route.status} |" for route in contract.routes]
    lines = ["| route | what it does | status |", "| --- | --- | --- |", *rows, ""]
    lines += [
        "A list answers with `items` and the `total` of all matches; `limit` (1 to 100, 20 unless given) and `offset` "
        "choose the part. Errors answer with a `detail`: 404 for an unknown id, 409 where the request does not fit "
        "what is stored, 422 for invalid input.\n",
    ]
    lines += [_filters(resource) for resource in plan.resources if resource.filters or resource.searches]
    return "\n".join(lines)


def _filters(resource: Resource) -> str:
    found = [f"`{field.name}`" for field in resource.filters]
    found += [f"`{f.name}_min`, `{f.name}_max`" for f in resource.filters if f.type in RANGED]
    found += (
        ["`q` (a part of " + names.listing([f.name for f in resource.searches], "or") + ")"]
        if resource.searches
        else []
    )
    return f"`GET /{resource.segment}` can be narrowed by {', '.join(found)}.\n"


def _tool(contract: Contract, plan: Design) -> str:
    lines = ["## Start\n", "```sh", f".venv/bin/{' '.join(contract.run.start)}", "```\n", "The commands:\n", "```text"]
    lines += [f"{contract.name} {command.usage}" for command in contract.commands]
    lines += ["```\n"]
    if plan.resources:
        lines.append(
            "Records are kept in a SQLite file in the user's data folder; `--db FILE` names another one. "
            "`--json` prints JSON instead of a table.\n"
        )
    return "\n".join(lines)


def _commands(contract: Contract) -> str:
    rows = [f"| {code(command.usage)} | {shown(command.summary)} |" for command in contract.commands]
    return "\n".join(
        [
            "| command | what it does |",
            "| --- | --- |",
            *rows,
            "",
            "Exit codes: 0 done, 1 refused (the reason is on stderr), 2 a command line that makes no sense.\n",
        ]
    )


def _library(plan: Design) -> str:
    lines = ["## Use\n", "```python"]
    if plan.resources:
        resource = next((found for found in plan.resources if not found.references), plan.resources[0])
        arguments = ", ".join(f"{name}={literal(value)}" for name, value in example(resource).items())
        lines += [
            f"from {plan.module} import Database",
            "",
            "database = Database()",
            f"{resource.var} = database.{resource.plural}.add({arguments})",
            f"print(database.{resource.plural}.get({resource.var}.id))",
        ]
    if plan.functions:
        lines += [f"from {plan.module} import {plan.functions[0]}"]
    return "\n".join([*lines, "```\n"])


def _exports(contract: Contract) -> str:
    lines = []
    for file in contract.files:
        found = [export for export in file.exports if export.kind != "constant"]
        if found:
            lines.append(f"## {file.path.removeprefix('src/')}\n")
            lines += [f"- `{export.signature}`{': ' + shown(export.doc) if export.doc else ''}" for export in found]
            lines.append("")
    return "\n".join(lines)
