"""The command lines of a tool, as the contract lists them."""

from __future__ import annotations

from contracts.artifacts import CliCommand, Field
from workers.llm_router.blueprint import computations, names
from workers.llm_router.blueprint.design import RANGED, Design, Resource
from workers.llm_router.blueprint.records.models import has_default
from workers.llm_router.blueprint.text import literal


def commands(design: Design) -> tuple[CliCommand, ...]:
    found = [command for resource in design.resources for command in _of_entity(resource)]
    for function in computations.functions(design):
        arguments = " ".join(name.upper() for name, _ in function.parameters)
        summary = function.doc.partition("\n")[0]
        found.append(CliCommand(usage=f"{names.segment(function.name)} {arguments}".strip(), summary=summary))
    return tuple(found)


def _of_entity(resource: Resource) -> list[CliCommand]:
    a_noun = names.article(resource.noun)
    given = [_option(field, resource, needed=True) for field in resource.given]
    found = [_command(resource, "create", given, f"Create {a_noun}")]
    filters = [f"[{part}]" for field in resource.filters for part in _filters(field)]
    found.append(_command(resource, "list", [*filters, "[--limit N]", "[--offset N]"], f"List {resource.nouns}"))
    found.append(_command(resource, "show", ["ID"], f"Show one {resource.noun}"))
    if resource.searches:
        found.append(_command(resource, "search", ["TEXT"], f"Find {resource.nouns} by a part of their text"))
    if resource.updates and resource.given:
        options = ["ID", *(_option(field, resource, needed=False) for field in resource.given)]
        found.append(_command(resource, "update", options, f"Change some fields of {a_noun}"))
    if resource.deletes:
        found.append(_command(resource, "delete", ["ID"], f"Delete {a_noun}"))
    found += [
        _command(resource, names.segment(move.verb), ["ID"], f"Set {move.field} to {literal(move.to)}")
        for move in resource.transitions
    ]
    if resource.formats:
        summary = f"Write all {resource.nouns} to a file"
        found.append(_command(resource, "export", ["|".join(resource.formats), "[--output FILE]"], summary))
    return found


def _command(resource: Resource, verb: str, options: list[str], summary: str) -> CliCommand:
    usage = " ".join([resource.segment, verb, *options])
    short = usage if len(usage) <= 180 else f"{resource.segment} {verb} [OPTIONS]"
    return CliCommand(usage=short, summary=summary)


def _option(field: Field, resource: Resource, *, needed: bool) -> str:
    shown = f"--{_dashed(field.name)} {field.type.upper() if field.type != 'reference' else 'ID'}"
    return shown if needed and not has_default(field, resource) else f"[{shown}]"


def _filters(field: Field) -> list[str]:
    kind = "ID" if field.type == "reference" else field.type.upper()
    ends = ["", "-min", "-max"] if field.type in RANGED else [""]
    return [f"--{_dashed(field.name)}{end} {kind}" for end in ends]


def _dashed(name: str) -> str:
    return name.replace("_", "-")
