"""The README and the reference, written from the contract; their commands work as they stand there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from contracts.artifacts import Contract, Field

from . import names, usage
from .design import Design, Resource, default, design, initial, optional
from .markdown import code, shown

_SETUP = """\
## Install

Python 3.11 or newer is needed. In this folder:

```sh
python3 -m venv .venv
.venv/bin/pip install --require-hashes -r requirements-dev.lock
.venv/bin/pip install --no-build-isolation --no-deps .
```

## Test

```sh
.venv/bin/python -m pytest
```
"""


def documents(contract: Contract) -> Mapping[str, str]:
    plan = design(contract)
    return {"README.md": _readme(contract, plan), "docs/api.md": _reference(contract, plan)}


def _readme(contract: Contract, plan: Design) -> str:
    parts = [f"# {shown(contract.title)}\n", f"{shown(contract.summary)}\n", _SETUP, _use(contract, plan)]
    if plan.resources:
        parts.append("## Data\n\n" + "\n".join(_data_line(resource) for resource in plan.resources) + "\n")
    parts.append("Every part is described in [docs/api.md](docs/api.md).\n")
    return "\n".join(parts)


def _data_line(resource: Resource) -> str:
    fields = ", ".join(f"`{field.name}`" for field in resource.fields)
    return f"- {names.article(resource.noun).capitalize()} has {fields}."


def _use(contract: Contract, plan: Design) -> str:
    return usage.use(contract, plan)


def _reference(contract: Contract, plan: Design) -> str:
    parts = ["# Reference\n", usage.reference(contract, plan)]
    parts += [_entity(resource) for resource in plan.resources]
    return "\n".join(part for part in parts if part)


def _entity(resource: Resource) -> str:
    rows = [f"| `{field.name}` | {_type(field)} | {_rules(field, resource)} |" for field in resource.fields]
    lines = [
        f"## {names.article(resource.noun).capitalize()}\n",
        "| field | type | rules |",
        "| --- | --- | --- |",
        "| `id` | integer | given by the program |",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _type(field: Field) -> str:
    return f"id of {names.article(names.words(field.references))}" if field.references else field.type


def _rules(field: Field, resource: Resource) -> str:
    unit = " characters" if field.type == "text" else ""
    found = []
    if field in resource.managed:
        found.append(f"starts as {code(_plain_value(initial(field)))}, set by its own operations only")
    elif field.default:
        found.append(f"{code(_plain_value(default(field)))} unless given")
    else:
        found.append("optional" if optional(field) else "required")
    found += ["unique"] if field.unique else []
    found += [f"at least {field.minimum:g}{unit}"] if field.minimum is not None else []
    found += [f"at most {field.maximum:g}{unit}"] if field.maximum is not None else []
    found += ["one of " + ", ".join(code(choice) for choice in field.choices)] if field.choices else []
    return "; ".join(found)


def _plain_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
