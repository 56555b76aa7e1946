"""The test cases of one store of a library."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.case_parts import field_keys, pairs
from workers.llm_router.blueprint.design import RANGED, Design, Resource, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.records.models import default_of, has_default
from workers.llm_router.blueprint.text import call, literal

from . import change_cases
from .case_writer import Writer
from .values import faults, rising, shown_value


def cases(resource: Resource, design: Design) -> list[Case]:
    w = Writer(resource, design)
    made = [*_adding(w), *_reading(w), *_finding(w)]
    if resource.searches:
        made += change_cases.searching(w)
    if resource.updates and resource.given:
        made += change_cases.updating(w)
    if resource.deletes:
        made += change_cases.deleting(w)
    for name in resource.formats:
        made.append(change_cases.exporting(w, name))
    for move in resource.transitions:
        made += change_cases.moving(w, move)
    return made


def _adding(w: Writer) -> list[Case]:
    resource, s = w.resource, w.snake
    made = [
        w.case(
            f"test_add_{s}",
            f"A new {resource.noun} is stored with all its fields",
            f"database, {s}_values",
            [
                f"values = {s}_values()",
                "",
                f"added = {w.store}.add(**values)",
                "",
                "assert added.id == 1",
                "assert {name: getattr(added, name) for name in values} == values",
                f"assert {w.store}.get(1) == added",
                f"assert 1 in {w.store}",
                f"assert len({w.store}) == 1",
            ],
            ["create", "read", *field_keys(resource.fields)],
        )
    ]
    filled = [field for field in resource.fields if has_default(field, resource)]
    if filled:
        gone = [literal(f.name) for f in filled if f in resource.given and f.type != "reference"]
        removal = (
            [*call("for name in (", gone, "):" if len(gone) > 1 else ",):"), "    del values[name]"] if gone else []
        )
        made.append(
            w.case(
                f"test_add_{s}_fills_in_what_is_left_out",
                "Fields that may be left out get their default or stay empty",
                f"database, {s}_values",
                [
                    f"values = {s}_values()",
                    *removal,
                    "",
                    f"added = {w.store}.add(**values)",
                    "",
                    *(_equals(f"added.{field.name}", default_of(field, resource)) for field in filled),
                ],
                ["create", *field_keys(filled)],
            )
        )
    if resource.given:
        made.append(
            w.case(
                f"test_add_{s}_refuses_invalid_value",
                f"A {resource.noun} with a value that is not allowed is refused and not stored",
                f"database, {w.make}, field, value",
                [
                    "with pytest.raises(InvalidValue) as caught:",
                    f"    {w.make}(**{{field: value}})",
                    "",
                    "assert caught.value.field == field",
                    'assert str(caught.value).startswith(f"{field} must be") or "must have" in str(caught.value)',
                    f"assert len({w.store}) == 0",
                ],
                [*field_keys(resource.given), "create"],
                kind="error",
                cases=("field, value", pairs(resource.given, {f.name: faults(f) for f in resource.given})),
                uses=["InvalidValue"],
            )
        )
    plain = [field for field in resource.given if field.type != "reference" and samples.edges(field)]
    if plain:
        made.append(
            w.case(
                f"test_add_{s}_accepts_boundary",
                "The first and the last allowed values are accepted",
                f"{w.make}, field, value",
                [f"assert getattr({w.make}(**{{field: value}}), field) == value"],
                field_keys(plain),
                kind="boundary",
                cases=("field, value", pairs(plain, {field.name: samples.edges(field) for field in plain})),
            )
        )
    return made + _unique(w) + _references(w)


def _equals(expression: str, value: str) -> str:
    return f"assert {expression} {'is' if value in ('None', 'True', 'False') else '=='} {value}"


def _unique(w: Writer) -> list[Case]:
    fields = [f for f in w.resource.uniques if f in w.resource.given and (f.type != "reference" or f.required)]
    if not fields:
        return []
    return [
        w.case(
            f"test_add_{w.snake}_refuses_duplicate",
            "A value that must be unique can't be used twice",
            f"database, {w.make}, field",
            [
                f"first = {w.make}()",
                "",
                'with pytest.raises(Conflict, match=f"{field} is already in use"):',
                f"    {w.make}(**{{field: getattr(first, field)}})",
                "",
                f"assert {w.store}.find() == [first]",
            ],
            [f"unique {field.name}" for field in fields],
            kind="error",
            cases=("field", [literal(field.name) for field in fields]),
            uses=["Conflict"],
        )
    ]


def _references(w: Writer) -> list[Case]:
    fields = w.resource.references
    if not fields:
        return []
    made = [
        w.case(
            f"test_add_{w.snake}_refuses_unknown_reference",
            "A reference to a record that does not exist is refused",
            f"database, {w.make}, field",
            [
                "with pytest.raises(UnknownReference, match=field):",
                f"    {w.make}(**{{field: 999}})",
                "",
                f"assert len({w.store}) == 0",
            ],
            [f"reference {field.name}" for field in fields],
            kind="error",
            cases=("field", [literal(field.name) for field in fields]),
            uses=["UnknownReference"],
        )
    ]
    for field in fields:
        if not field.required:
            parent = f"make_{names.snake(field.references)}"
            made.append(
                w.case(
                    f"test_{w.snake}_may_have_{field.name}",
                    f"A {w.resource.noun} can refer to {names.article(names.words(field.references))}",
                    ", ".join(dict.fromkeys((parent, w.make))),
                    [f"parent = {parent}()", "", f"assert {w.make}({field.name}=parent.id).{field.name} == parent.id"],
                    [f"reference {field.name}", f"field {field.name}"],
                )
            )
    return made


def _reading(w: Writer) -> list[Case]:
    return [
        w.case(
            f"test_get_{w.snake}_that_does_not_exist",
            "An unknown id is told as such",
            "database",
            [f'with pytest.raises(NotFound, match="there is no {w.resource.noun} 999"):', f"    {w.store}.get(999)"],
            ["read"],
            kind="error",
            uses=["NotFound"],
        )
    ]


def _finding(w: Writer) -> list[Case]:
    made = [
        w.case(
            f"test_find_all_{w.plural}",
            f"All {w.resource.nouns} are given, oldest first",
            f"database, {w.make}",
            [
                f"assert {w.store}.find() == []",
                f"made = [{w.make}() for _ in range(3)]",
                "",
                f"assert {w.store}.find() == made",
            ],
            ["list"],
        )
    ]
    return made + [case for field in w.resource.filters for case in _filtering(w, field)]


def _filtering(w: Writer, field: Field) -> list[Case]:
    made = []
    body = _filter_body(w, field)
    if body:
        fixtures = ["database", w.make]
        if field.type == "reference":
            fixtures.append(f"make_{names.snake(field.references)}")
        asked = f"{w.store}.find({field.name}=wanted.{field.name})"
        made.append(
            w.case(
                f"test_find_{w.plural}_by_{field.name}",
                f"The list can be narrowed by {field.name}",
                ", ".join(dict.fromkeys(fixtures)),
                [*body, "", f"assert {asked} == [wanted]"],
                [f"filter {field.name}", "list"],
            )
        )
    if field.type in RANGED and samples.differing(field, 3):
        empty = [f"{w.make}({field.name}=None)"] if optional(field) else []
        made.append(
            w.case(
                f"test_find_{w.plural}_by_{field.name}_range",
                f"The list can be narrowed to a range of {field.name}; both ends count",
                f"database, {w.make}",
                [
                    *call("values = [", rising(field), "]"),
                    f"low, middle, high = ({w.make}({field.name}=value) for value in values)",
                    *empty,
                    "",
                    f"assert {w.store}.find({field.name}_min=values[1]) == [middle, high]",
                    f"assert {w.store}.find({field.name}_max=values[1]) == [low, middle]",
                ],
                [f"filter {field.name}", "list"],
                kind="boundary",
            )
        )
    return made


def _filter_body(w: Writer, field: Field) -> list[str]:
    """Two records that differ in the field, one of them called wanted."""
    if field in w.resource.managed:
        start = initial(field)
        move = next(
            (m for m in w.resource.transitions if m.field == field.name and samples.allows(m, start) and m.to != start),
            None,
        )
        if move is None:
            return []
        return [f"wanted = {w.store}.{names.variable(move.verb)}({w.make}().id)", f"{w.make}()"]
    if field.type == "reference":
        parent = f"make_{names.snake(field.references)}"
        if parent == w.make:
            return [f"wanted = {w.make}({field.name}={w.make}().id)"]
        return [f"{w.make}({field.name}={parent}().id)", f"wanted = {w.make}({field.name}={parent}().id)"]
    if not samples.differing(field, 2):
        return []
    first, second = shown_value(field, 1), shown_value(field, 2)
    return [f"{w.make}({field.name}={first})", f"wanted = {w.make}({field.name}={second})"]
