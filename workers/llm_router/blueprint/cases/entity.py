"""The test cases of one entity; here the ones about creating, reading, listing and searching."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.design import RANGED, initial
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import literal

from . import change
from .parts import field_keys, pairs, taken
from .writer import Writer, make


def cases(w: Writer) -> list[Case]:
    resource = w.resource
    made = [*_creating(w), *_unique(w), *_references(w), *w.reading(), *w.listing()]
    made += [case for field in resource.filters for case in _filtering(w, field)]
    if resource.searches:
        made += [_searching(w), *w.more_searching()]
    if resource.updates and resource.given:
        made += change.updating(w)
    if resource.deletes:
        made += change.deleting(w)
    made += [w.exporting(name) for name in resource.formats]
    return made + [case for move in resource.transitions for case in change.moving(w, move)]


def _creating(w: Writer) -> list[Case]:
    given, noun = w.resource.given, w.resource.noun
    function = f"test_{w.create_verb}_{w.snake}"
    title = f"A new {noun} is stored with all its fields"
    made = [w.case(function, title, w.created(), ["create", "read", *field_keys(w.resource.fields)])]
    if w.filled:
        title = "Fields that may be left out get their default or stay empty"
        keys = ["create", *field_keys(w.filled)]
        made.append(w.case(f"{function}_fills_in_what_is_left_out", title, w.left_out(), keys))
    required = [field for field in given if field not in w.filled]
    if required and (body := w.needed()):
        made.append(
            w.case(
                f"{function}_needs_field",
                f"A {noun} without a required field is refused",
                body,
                [*field_keys(required), "create"],
                kind="error",
                cases=("field", [literal(field.name) for field in required]),
            )
        )
    bad = pairs(given, {field.name: w.faults(field) for field in given})
    if bad:
        made.append(
            w.case(
                f"{function}_refuses_invalid_value",
                f"A {noun} with a value that is not allowed is refused and not stored",
                w.refused(),
                [*field_keys(given), "create"],
                kind="error",
                cases=("field, value", bad),
            )
        )
    edged = [field for field in given if field.type != "reference" and samples.edges(field)]
    if edged:
        made.append(
            w.case(
                f"{function}_accepts_boundary",
                "The first and the last allowed values are accepted",
                w.accepted(),
                field_keys(edged),
                kind="boundary",
                cases=("field, value", pairs(edged, {field.name: samples.edges(field) for field in edged})),
            )
        )
    return [*made, *w.more_creating()]


def _unique(w: Writer) -> list[Case]:
    fields = taken(w.resource)
    if not fields:
        return []
    return [
        w.case(
            f"test_{w.create_verb}_{w.snake}_refuses_duplicate",
            "A value that must be unique can't be used twice",
            w.duplicate(),
            [f"unique {field.name}" for field in fields],
            kind="error",
            cases=("field", [literal(field.name) for field in fields]),
        )
    ]


def _references(w: Writer) -> list[Case]:
    fields = w.resource.references
    if not fields:
        return []
    unknown = w.case(
        f"test_{w.create_verb}_{w.snake}_refuses_unknown_reference",
        "A reference to a record that does not exist is refused",
        w.unknown_reference(),
        [f"reference {field.name}" for field in fields],
        kind="error",
        cases=("field", [literal(field.name) for field in fields]),
    )
    return [unknown, *(_may_refer(w, field) for field in fields if not field.required)]


def _may_refer(w: Writer, field: Field) -> Case:
    return w.case(
        f"test_{w.snake}_may_have_{field.name}",
        f"A {w.resource.noun} can refer to {names.article(names.words(field.references))}",
        w.referring(field, make(field.references)),
        [f"reference {field.name}", f"field {field.name}"],
    )


def _filtering(w: Writer, field: Field) -> list[Case]:
    made = []
    function = f"test_{w.list_verb}_{w.plural}_by_{field.name}"
    keys = [f"filter {field.name}", "list"]
    differing = _differing(w, field)
    if differing:
        parents = [make(field.references)] if field.type == "reference" else []
        title = f"The list can be narrowed by {field.name}"
        made.append(w.case(function, title, w.narrowed(field, differing, parents), keys))
    if field.type in RANGED and samples.differing(field, 3):
        title = f"The list can be narrowed to a range of {field.name}; both ends count"
        made.append(w.case(f"{function}_range", title, w.ranged(field), keys, kind="boundary"))
    return made


def _differing(w: Writer, field: Field) -> list[str]:
    """Lines that make records that differ in the field, one of them called wanted."""
    if field in w.resource.managed:
        start = initial(field)
        moves = [m for m in w.resource.transitions if m.field == field.name and samples.allows(m, start)]
        move = next((move for move in moves if move.to != start), None)
        return [f"wanted = {w.one_moved(move)}", f"{w.make}()"] if move else []
    if field.type == "reference":
        parent = make(field.references)
        wanted = f"wanted = {w.make}({field.name}={parent}(){w.id_of})"
        return [wanted] if parent == w.make else [f"{w.make}({field.name}={parent}(){w.id_of})", wanted]
    if not samples.differing(field, 2):
        return []
    first, second = w.value(field, 1), w.value(field, 2)
    return [f"{w.make}({field.name}={first})", f"wanted = {w.make}({field.name}={second})"]


def _searching(w: Writer) -> Case:
    fields = w.resource.searches
    values = [f"({literal(f.name)}, {literal(samples.findable(f))}, {literal(samples.needle(f))})" for f in fields]
    title = f"{w.resource.nouns.capitalize()} are found by a part of their text in any letters"
    return w.case(f"test_search_{w.plural}", title, w.found(), ["search"], cases=("field, value, asked", values))
