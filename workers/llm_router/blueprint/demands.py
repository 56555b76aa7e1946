"""Every single claim about the package, and the larger item of the requirements document that it belongs to."""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts.artifacts import Field

from . import names
from .design import Design, Resource, Transition, default, initial, optional
from .drafts import Key
from .text import literal, plain

Observable = Literal["stdout", "exit", "http", "return", "file"]


class Demand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One claim. `item` is the operation part of the document's item that it details; `assumed`: nobody asked."""

    key: Key
    item: str
    kind: Literal["function", "data", "interface", "quality", "constraint"]
    text: str
    given: str
    when: str
    then: str
    priority: Literal["must", "should", "could"] = "must"
    assumed: bool = False


_CAN = {
    "create": "can be created",
    "read": "can be read one by one",
    "list": "can be listed, oldest first",
    "update": "can be changed",
    "delete": "can be deleted",
    "search": "can be searched",
    "export": "can be exported",
}
_OBSERVED: dict[str, Observable] = {"rest_api": "http", "cli": "stdout", "library": "return"}


def observable(design: Design) -> Observable:
    return _OBSERVED[design.kind]


def demands(design: Design) -> tuple[Demand, ...]:
    found = _whole(design)
    for resource in design.resources:
        found += _data(resource)
        found += _operations(resource, design)
        found += [_moved(resource, transition) for transition in resource.transitions]
    found += [_computed(name) for name in design.functions]
    return tuple(found)


def items(design: Design) -> tuple[tuple[Key, str, str, str], ...]:
    """The document's items: (key, section, text, rationale)."""
    found: list[tuple[Key, str, str, str]] = [(("", ""), "Product", _product(design), "what was asked for")]
    for resource in design.resources:
        noun, nouns = resource.noun, resource.nouns
        fields = names.listing([_described(field) for field in resource.fields])
        text = f"{names.article(noun).capitalize()} has: {fields}."
        found.append(((resource.name, ""), f"Data: {resource.name}", text, "the records that are kept"))
        for operation in _operation_names(resource):
            text = f"{nouns.capitalize()} {_CAN[operation]}{_details(resource, operation)}."
            found.append(((resource.name, operation), f"Operations: {resource.name}", text, "what users do"))
        for move in resource.transitions:
            text = f"{names.article(noun).capitalize()} {_move_text(move)}."
            found.append(((resource.name, f"transition {move.verb}"), f"States: {resource.name}", text, "its life"))
    for name in design.functions:
        text = f"The package computes {names.words(name)}."
        found.append((("", f"function {name}"), "Computations", text, "what was asked for"))
    return tuple(found)


def _product(design: Design) -> str:
    what = {
        "rest_api": "an HTTP API that keeps its records in a SQLite database",
        "cli": "a command line tool that keeps its records in a SQLite file",
        "library": "a typed Python library that keeps its records in memory",
    }[design.kind]
    if not design.resources:
        what = what.split(" that ")[0]
    return f"{plain(design.title)} is {what}."


def _operation_names(resource: Resource) -> list[str]:
    found = ["create", "read", "list"]
    found += ["update"] if resource.updates and resource.given else []
    found += ["delete"] if resource.deletes else []
    found += ["search"] if resource.searches else []
    return found + (["export"] if resource.formats else [])


def _details(resource: Resource, operation: str) -> str:
    if operation == "list" and resource.filters:
        return f", narrowed by {names.listing([field.name for field in resource.filters])}, in pages"
    if operation == "search":
        return f" in {names.listing([field.name for field in resource.searches])}"
    if operation == "export":
        return f" as {names.listing([name.upper() for name in resource.formats])}"
    return ""


def _described(field: Field) -> str:
    """ "price (number, at least 0)"."""
    notes = [f"a reference to {names.article(names.words(field.references))}" if field.references else field.type]
    notes += [rule for rule in (_range(field),) if rule]
    if field.choices:
        notes.append("one of " + names.listing([literal(choice) for choice in field.choices], "or"))
    notes += ["unique"] if field.unique else []
    if field.default:
        notes.append(f"{literal(default(field))} unless given")
    elif not field.required:
        notes.append("optional")
    return f"{field.name} ({', '.join(notes)})"


def _range(field: Field) -> str:
    unit = " characters" if field.type == "text" else ""
    low = "" if field.minimum is None else f"at least {field.minimum:g}{unit}"
    high = "" if field.maximum is None else f"at most {field.maximum:g}{unit}"
    return " and ".join(part for part in (low, high) if part)


def _move_text(move: Transition) -> str:
    before = f" when it is {names.listing([literal(s) for s in move.sources], 'or')}" if move.sources else ""
    return f"can be moved by {move.verb!r}: {move.field} becomes {literal(move.to)}{before}"


def _whole(design: Design) -> list[Demand]:
    title = plain(design.title)
    if design.kind == "rest_api":
        found = [
            _claim(
                "start",
                "interface",
                "The service starts with one command, on this machine only.",
                title,
                "it is started",
                "it listens on 127.0.0.1 at the port in PORT, else 8000",
            ),
            _claim(
                "nonsense",
                "interface",
                "A request body that makes no sense is refused.",
                "a running service",
                "a body is sent that is no JSON, or holds what no JSON can",
                "422 with a detail",
            ),
            _claim(
                "health",
                "interface",
                "The service tells that it is up.",
                "a running service",
                "GET /health",
                "200 with status ok",
            ),
            _claim(
                "documented",
                "interface",
                "The routes are described by an OpenAPI document.",
                "a running service",
                "GET /openapi.json",
                "every route is in it",
            ),
        ]
    elif design.kind == "cli":
        found = [
            _claim(
                "start",
                "interface",
                "The tool tells how it is used.",
                "an installed tool",
                "--help is given",
                "every command is listed and the exit code is 0",
            ),
            _claim(
                "usage",
                "interface",
                "A command line that makes no sense is refused.",
                "an installed tool",
                "an unknown command is given",
                "the exit code is 2 and the error is on stderr",
            ),
        ]
    else:
        found = [
            _claim(
                "start",
                "interface",
                "The package can be imported and names what it offers.",
                "an installed package",
                "it is imported",
                "everything in __all__ is there",
            )
        ]
    if design.resources and design.kind != "library":
        found.append(
            _claim(
                "persistence",
                "quality",
                "What was stored is still there after a restart.",
                "a stored record",
                "the program is started again",
                "the record reads the same",
            )
        )
    return found


def _claim(
    operation: str, kind: Literal["interface", "quality"], text: str, given: str, when: str, then: str
) -> Demand:
    return Demand(key=("", operation), item="", kind=kind, text=text, given=given, when=when, then=then, assumed=True)


def _data(resource: Resource) -> list[Demand]:
    noun = resource.noun
    a_noun = names.article(noun)
    found = []
    for field in resource.fields:
        found.append(
            Demand(
                key=(resource.name, f"field {field.name}"),
                item="",
                kind="data",
                text=f"{a_noun.capitalize()} has {_described(field)}.",
                given=f"the data of {a_noun}",
                when=f"{field.name} is {_wrongly_given(field, resource)}",
                then="it is refused and nothing is stored",
            )
        )
        if field.unique:
            found.append(_constraint(resource, "unique", field, f"No two {resource.nouns} have the same {field.name}."))
        if field.references:
            text = (
                f"The {field.name} of {a_noun} is the id of {names.article(names.words(field.references))} that exists."
            )
            found.append(_constraint(resource, "reference", field, text))
    return found


def _wrongly_given(field: Field, resource: Resource) -> str:
    if field not in resource.given:
        return "given by hand"
    return "not allowed" if optional(field) or field.default else "missing or not allowed"


def _constraint(resource: Resource, rule: str, field: Field, text: str) -> Demand:
    return Demand(
        key=(resource.name, f"{rule} {field.name}"),
        item="",
        kind="constraint",
        text=text,
        given=f"a stored {resource.noun}",
        when=f"a {resource.noun} is given whose {field.name} breaks this rule",
        then="it is refused and nothing is stored",
    )


def _operations(resource: Resource, design: Design) -> list[Demand]:
    noun, nouns = resource.noun, resource.nouns
    then = {
        "create": "it is stored with a new id and all its fields",
        "read": f"the {noun} is given; an unknown id is told as such",
        "list": f"the {nouns} asked for are given, oldest first",
        "update": "only the fields given change; an unknown id is told as such",
        "delete": "it is gone and the others stay; an unknown id is told as such",
        "search": f"the {nouns} that hold the text in any letters are given, and no other",
        "export": f"the file holds every {noun} with every field",
    }
    found = [
        Demand(
            key=(resource.name, operation),
            item=operation,
            kind="function",
            text=f"{nouns.capitalize()} {_CAN[operation]}{_details(resource, operation)}.",
            given=f"some {nouns}" if operation != "create" else f"the data of {names.article(noun)}",
            when=f"{operation} is asked for",
            then=then[operation],
        )
        for operation in _operation_names(resource)
    ]
    found += [
        Demand(
            key=(resource.name, f"filter {field.name}"),
            item="list",
            kind="function",
            text=f"The list of {nouns} can be narrowed by {field.name}.",
            given=f"{nouns} that differ in {field.name}",
            when=f"one {field.name} is asked for",
            then=f"only {nouns} with it are given",
            priority="should",
        )
        for field in resource.filters
    ]
    return found


def _moved(resource: Resource, move: Transition) -> Demand:
    managed = next((field for field in resource.managed if field.name == move.field), None)
    start = f"; it starts as {literal(initial(managed))}" if managed else ""
    return Demand(
        key=(resource.name, f"transition {move.verb}"),
        item=f"transition {move.verb}",
        kind="function",
        text=f"{names.article(resource.noun).capitalize()} {_move_text(move)}{start}.",
        given=f"a {resource.noun}",
        when=f"{move.verb} is asked for",
        then=f"{move.field} is {literal(move.to)}" + ("; from any other state it is refused" if move.sources else ""),
    )


def _computed(name: str) -> Demand:
    return Demand(
        key=("", f"function {name}"),
        item=f"function {name}",
        kind="function",
        text=f"The package computes {names.words(name)}, and refuses input for which there is no answer.",
        given="valid input",
        when=f"{names.words(name)} is asked for",
        then="the right result is given",
    )
