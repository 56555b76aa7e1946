"""The test cases of one entity of a command line tool; here the ones about creating, showing and listing."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.case_parts import field_keys, pairs
from workers.llm_router.blueprint.design import RANGED, Design, Resource, default, initial
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.records.models import has_default
from workers.llm_router.blueprint.text import call, literal

from . import change_cases
from .case_writer import Writer


def cases(resource: Resource, design: Design) -> list[Case]:
    w = Writer(resource, design)
    made = [*_creating(w), *_showing(w), *_listing(w)]
    if resource.searches:
        made.append(change_cases.searching(w))
    if resource.updates and resource.given:
        made += change_cases.updating(w)
    if resource.deletes:
        made += change_cases.deleting(w)
    made += [change_cases.exporting(w, name) for name in resource.formats]
    for move in resource.transitions:
        made += change_cases.moving(w, move)
    return made


def faults(field: Field) -> list[str]:
    """Values that are refused; any word is a text."""
    return [fault for fault in samples.faults(field) if not (field.type == "text" and fault == "7")]


def _creating(w: Writer) -> list[Case]:
    resource, s = w.resource, w.snake
    unsent: dict[str, object] = {f.name: None for f in resource.given if f.type == "reference" and not f.required}
    unsent.update({field.name: initial(field) for field in resource.managed})
    expected = ["**values", '"id": 1', *(f"{literal(name)}: {literal(value)}" for name, value in unsent.items())]
    made = [
        w.case(
            f"test_create_{s}",
            f"A new {resource.noun} is stored with all its fields",
            f"records, options, {s}_values",
            [
                f"values = {s}_values()",
                "",
                f"(created,) = records({w.words('create')}, *options(values))",
                "",
                *call("assert created == {", expected, "}"),
                f'assert records({w.words("show")}, "1") == [created]',
            ],
            ["create", "read", *field_keys(resource.fields)],
        )
    ]
    filled = [field for field in resource.given if has_default(field, resource)]
    if filled:
        made.append(_defaults(w, filled))
    required = [field for field in resource.given if field not in filled]
    if required:
        made.append(
            w.case(
                f"test_create_{s}_needs_field",
                f"A {resource.noun} without a required field is refused",
                f"run, options, {s}_values, field",
                [
                    f"values = {s}_values()",
                    "del values[field]",
                    "",
                    f"result = run({w.words('create')}, *options(values))",
                    "",
                    "assert result.code == 2",
                    'assert "--" + field.replace("_", "-") in result.errors',
                ],
                [*field_keys(required), "create"],
                kind="error",
                cases=("field", [literal(field.name) for field in required]),
            )
        )
    bad = pairs(resource.given, {field.name: faults(field) for field in resource.given})
    if bad:
        made.append(
            w.case(
                f"test_create_{s}_refuses_invalid_value",
                f"A {resource.noun} with a value that is not allowed is refused and not stored",
                f"run, records, options, {s}_values, field, value",
                [
                    f"result = run({w.words('create')}, *options({s}_values(**{{field: value}})))",
                    "",
                    "assert result.code in (1, 2)",
                    'option = field.replace("_", "-")',
                    'assert f"error: {field} " in result.errors or f"argument --{option}:" in result.errors',
                    f"assert records({w.words('list')}) == []",
                ],
                [*field_keys(resource.given), "create"],
                kind="error",
                cases=("field, value", bad),
            )
        )
    plain = [field for field in resource.given if field.type != "reference" and samples.edges(field)]
    if plain:
        made.append(
            w.case(
                f"test_create_{s}_accepts_boundary",
                "The first and the last allowed values are accepted",
                f"{w.make}, field, value",
                [f"assert {w.make}(**{{field: value}})[field] == value"],
                field_keys(plain),
                kind="boundary",
                cases=("field, value", pairs(plain, {field.name: samples.edges(field) for field in plain})),
            )
        )
    return made + _unique(w) + _references(w)


def _defaults(w: Writer, filled: list[Field]) -> Case:
    resource, s = w.resource, w.snake
    expected: dict[str, object] = {field.name: default(field) for field in filled}
    expected.update({field.name: initial(field) for field in resource.managed})
    gone = [literal(field.name) for field in filled if field.type != "reference"]
    removal = [*call("for name in (", gone, "):" if len(gone) > 1 else ",):"), "    del values[name]"] if gone else []
    rest = [f"{literal(name)}: {literal(value)}" for name, value in expected.items()]
    return w.case(
        f"test_create_{s}_fills_in_what_is_left_out",
        "Fields that may be left out get their default or stay empty",
        f"records, options, {s}_values",
        [
            f"values = {s}_values()",
            *removal,
            "",
            f"(created,) = records({w.words('create')}, *options(values))",
            "",
            *call("assert created == {", ["**values", '"id": 1', *rest], "}"),
        ],
        ["create", *field_keys(filled)],
    )


def _unique(w: Writer) -> list[Case]:
    fields = [f for f in w.resource.uniques if f in w.resource.given and (f.type != "reference" or f.required)]
    if not fields:
        return []
    return [
        w.case(
            f"test_create_{w.snake}_refuses_duplicate",
            "A value that must be unique can't be used twice",
            f"run, records, options, {w.snake}_values, {w.make}, field",
            [
                f"first = {w.make}()",
                "",
                f"values = {w.snake}_values(**{{field: first[field]}})",
                f"result = run({w.words('create')}, *options(values))",
                "",
                "assert result.code == 1",
                'assert f"error: {field} is already in use" in result.errors',
                f"assert records({w.words('list')}) == [first]",
            ],
            [f"unique {field.name}" for field in fields],
            kind="error",
            cases=("field", [literal(field.name) for field in fields]),
        )
    ]


def _references(w: Writer) -> list[Case]:
    fields = w.resource.references
    if not fields:
        return []
    listed = names.listing([field.name for field in fields], "or")
    made = [
        w.case(
            f"test_create_{w.snake}_refuses_unknown_reference",
            "A reference to a record that does not exist is refused",
            f"run, records, options, {w.snake}_values, field",
            [
                f"result = run({w.words('create')}, *options({w.snake}_values(**{{field: 999}})))",
                "",
                "assert result.code == 1",
                f'assert result.errors == "error: {listed} refers to a record that does not exist\\n"',
                f"assert records({w.words('list')}) == []",
            ],
            [f"reference {field.name}" for field in fields],
            kind="error",
            cases=("field", [literal(field.name) for field in fields]),
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
                    [
                        f"parent = {parent}()",
                        "",
                        f'assert {w.make}({field.name}=parent["id"])["{field.name}"] == parent["id"]',
                    ],
                    [f"reference {field.name}", f"field {field.name}"],
                )
            )
    return made


def _showing(w: Writer) -> list[Case]:
    return [w.missing(f"test_show_{w.snake}", "show", "read")]


def _listing(w: Writer) -> list[Case]:
    made = [
        w.case(
            f"test_list_{w.plural}",
            f"{w.resource.nouns.capitalize()} are listed oldest first, all or a part of them",
            f"records, {w.make}",
            [
                f"assert records({w.words('list')}) == []",
                f"made = [{w.make}() for _ in range(3)]",
                "",
                f"assert records({w.words('list')}) == made",
                f'assert records({w.words("list")}, "--limit=1", "--offset=1") == [made[1]]',
            ],
            ["list"],
        )
    ]
    return made + [case for field in w.resource.filters for case in _filtering(w, field)]


def _filtering(w: Writer, field: Field) -> list[Case]:
    made = []
    body = _filter_body(w, field)
    if body:
        fixtures = ["records", "options", w.make]
        if field.type == "reference":
            fixtures.append(f"make_{names.snake(field.references)}")
        asked = f'options({{"{field.name}": wanted["{field.name}"]}})'
        made.append(
            w.case(
                f"test_list_{w.plural}_by_{field.name}",
                f"The list can be narrowed by {field.name}",
                ", ".join(dict.fromkeys(fixtures)),
                [*body, "", f"assert records({w.words('list')}, *{asked}) == [wanted]"],
                [f"filter {field.name}", "list"],
            )
        )
    if field.type in RANGED and samples.differing(field, 3):
        option = f"--{field.name.replace('_', '-')}"
        made.append(
            w.case(
                f"test_list_{w.plural}_by_{field.name}_range",
                f"The list can be narrowed to a range of {field.name}; both ends count",
                f"records, {w.make}",
                [
                    *call("values = [", samples.rising(field), "]"),
                    f"low, middle, high = ({w.make}({field.name}=value) for value in values)",
                    "",
                    f'least = records({w.words("list")}, f"{option}-min={{values[1]}}")',
                    "assert least == [middle, high]",
                    f'most = records({w.words("list")}, f"{option}-max={{values[1]}}")',
                    "assert most == [low, middle]",
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
        moves = [m for m in w.resource.transitions if m.field == field.name and samples.allows(m, start)]
        move = next((move for move in moves if move.to != start), None)
        if move is None:
            return []
        return [f'(wanted,) = records({w.words(move.verb)}, str({w.make}()["id"]))', f"{w.make}()"]
    if field.type == "reference":
        parent = f"make_{names.snake(field.references)}"
        if parent == w.make:
            return [f'wanted = {w.make}({field.name}={w.make}()["id"])']
        return [
            f'{w.make}({field.name}={parent}()["id"])',
            f'wanted = {w.make}({field.name}={parent}()["id"])',
        ]
    if not samples.differing(field, 2):
        return []
    first, second = literal(samples.value(field, 1)), literal(samples.value(field, 2))
    return [f"{w.make}({field.name}={first})", f"wanted = {w.make}({field.name}={second})"]
