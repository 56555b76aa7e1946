"""The test cases of one store of a library about searching, changing, deleting, exporting and moving."""

from __future__ import annotations

from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.case_parts import field_keys, pairs
from workers.llm_router.blueprint.design import Transition, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import call, literal

from .case_writer import Writer
from .values import faults, shown_value


def searching(w: Writer) -> list[Case]:
    values = [
        f"({literal(f.name)}, {literal(samples.findable(f))}, {literal(samples.needle(f))})"
        for f in w.resource.searches
    ]
    return [
        w.case(
            f"test_search_{w.plural}",
            f"{w.resource.nouns.capitalize()} are found by a part of their text in any letters",
            f"database, {w.make}, field, value, asked",
            [
                f"{w.make}()",
                f"wanted = {w.make}(**{{field: value}})",
                "",
                f"assert {w.store}.search(asked) == [wanted]",
                f'assert {w.store}.search("%") == []',
            ],
            ["search"],
            cases=("field, value, asked", values),
        )
    ]


def updating(w: Writer) -> list[Case]:
    given = w.resource.given
    plain = [field for field in given if field.type != "reference"]
    emptied = [field for field in given if optional(field)]
    made = []
    if plain:
        made.append(
            w.case(
                f"test_update_{w.snake}_changes_only_what_is_given",
                "A change sets the fields that it names and leaves the others",
                f"database, {w.make}, field, value",
                [
                    f"before, other = {w.make}(), {w.make}()",
                    "",
                    f"after = {w.store}.update(before.id, **{{field: value}})",
                    "",
                    "assert after == dataclasses.replace(before, **{field: value})",
                    f"assert {w.store}.find() == [after, other]",
                ],
                ["update", *field_keys(plain)],
                cases=("field, value", [f"({literal(f.name)}, {shown_value(f, 4)})" for f in plain]),
            )
        )
    locked = ['("id", 7)', *(f"({literal(f.name)}, {literal(initial(f))})" for f in w.resource.managed)]
    made.append(
        w.case(
            f"test_update_{w.snake}_refuses_invalid_value",
            "A change to a value that is not allowed is refused and changes nothing",
            f"database, {w.make}, field, value",
            [
                f"before = {w.make}()",
                "",
                "with pytest.raises(InvalidValue, match=field):",
                f"    {w.store}.update(before.id, **{{field: value}})",
                "",
                f"assert {w.store}.get(before.id) == before",
            ],
            ["update", *field_keys(given)],
            kind="error",
            cases=("field, value", [*pairs(given, {f.name: faults(f)[:1] for f in given}), *locked]),
            uses=["InvalidValue"],
        )
    )
    if emptied:
        made.append(
            w.case(
                f"test_update_{w.snake}_can_empty_field",
                "A field that may be left out can be emptied",
                f"database, {w.make}, field",
                [f"assert getattr({w.store}.update({w.make}().id, **{{field: None}}), field) is None"],
                ["update"],
                kind="boundary",
                cases=("field", [literal(field.name) for field in emptied]),
            )
        )
    made.append(_missing(w, f"test_update_{w.snake}", f"{w.store}.update(999)", "update"))
    unique = [f for f in w.resource.uniques if f in given and (f.type != "reference" or f.required)]
    if unique:
        made.append(
            w.case(
                f"test_update_{w.snake}_refuses_duplicate",
                "A change can't take a value that is unique and used",
                f"database, {w.make}, field",
                [
                    f"first, second = {w.make}(), {w.make}()",
                    "",
                    "with pytest.raises(Conflict):",
                    f"    {w.store}.update(second.id, **{{field: getattr(first, field)}})",
                    "",
                    f"assert {w.store}.get(second.id) == second",
                ],
                [f"unique {field.name}" for field in unique],
                kind="error",
                cases=("field", [literal(field.name) for field in unique]),
                uses=["Conflict"],
            )
        )
    return made


def deleting(w: Writer) -> list[Case]:
    made = [
        w.case(
            f"test_delete_{w.snake}",
            f"A deleted {w.resource.noun} is gone, the others stay, and its id is not used again",
            f"database, {w.make}",
            [
                f"first, second = {w.make}(), {w.make}()",
                "",
                f"{w.store}.delete(second.id)",
                "",
                f"assert {w.store}.find() == [first]",
                f"assert {w.make}().id == second.id + 1",
            ],
            ["delete"],
        ),
        _missing(w, f"test_delete_{w.snake}", f"{w.store}.delete(999)", "delete"),
    ]
    for entity, field in w.resource.children:
        child = f"make_{names.snake(entity)}"
        made.append(
            w.case(
                f"test_delete_{w.snake}_refused_while_{names.snake(entity)}_has_it_as_{field}",
                f"A {w.resource.noun} that is still referred to can't be deleted",
                ", ".join(dict.fromkeys(("database", w.make, child))),
                [
                    f"made = {w.make}()",
                    f"{child}({field}=made.id)",
                    "",
                    'with pytest.raises(Conflict, match="still referred to"):',
                    f"    {w.store}.delete(made.id)",
                    "",
                    f"assert {w.store}.get(made.id) == made",
                ],
                ["delete"],
                kind="error",
                uses=["Conflict"],
            )
        )
    return made


def exporting(w: Writer, name: str) -> Case:
    columns = ["id", *(field.name for field in w.resource.fields)]
    check = [f"rows = json.loads({w.store}.to_json())"]
    shown = "value.isoformat() if isinstance(value, datetime.date) else value"
    if name == "csv":
        check = [f"rows = list(csv.DictReader(io.StringIO({w.store}.to_csv())))"]
        shown = '"" if value is None else str(value)'
    dated = any(field.type == "datetime" for field in w.resource.fields)
    if name == "csv" and dated:
        shown = '"" if value is None else value.isoformat() if isinstance(value, datetime.date) else str(value)'
    keys = "list(row)" if name == "csv" else "sorted(row)"
    expected = columns if name == "csv" else sorted(columns)
    return w.case(
        f"test_export_{w.plural}_as_{name}",
        f"All {w.resource.nouns} can be had as {name.upper()} text",
        f"database, {w.make}",
        [
            f"made = [{w.make}(), {w.make}()]",
            "",
            *check,
            "",
            *call("columns = [", map(literal, expected), "]"),
            f"assert [{keys} for row in rows] == [columns, columns]",
            "for row, record in zip(rows, made, strict=True):",
            "    values = {name: getattr(record, name) for name in columns}",
            "    assert row == {",
            f"        name: {shown}",
            "        for name, value in values.items()",
            "    }",
        ],
        ["export"],
    )


def moving(w: Writer, move: Transition) -> list[Case]:
    method = f"{w.store}.{names.variable(move.verb)}"
    function = f"test_{move.verb}_{w.snake}"
    keys = [f"transition {move.verb}"]
    field = next(field for field in w.resource.fields if field.name == move.field)
    ways = samples.reachable(w.resource, move.field) if field in w.resource.managed else {initial(field): ()}
    good = [way for state, way in ways.items() if samples.allows(move, state)]
    bad = [way for state, way in ways.items() if not samples.allows(move, state)]
    walk = [f"record = {w.make}()", "for step in steps:", f"    record = getattr({w.store}, step)(record.id)"]
    outcome = {
        True: [
            "",
            f"moved = {method}(record.id)",
            "",
            f"assert moved == dataclasses.replace(record, {move.field}={literal(move.to)})",
            f"assert {w.store}.get(record.id) == moved",
        ],
        False: [
            "",
            f'with pytest.raises(Conflict, match="{move.field}"):',
            f"    {method}(record.id)",
            "",
            f"assert {w.store}.get(record.id) == record",
        ],
    }
    made = []
    for allowed, ways_there in ((True, good), (False, bad)):
        if not ways_there:
            continue
        steps = [literal([names.variable(verb) for verb in way]) for way in ways_there]
        straight = steps == ["[]"]
        made.append(
            w.case(
                function if allowed else f"{function}_refused",
                f"{move.field} becomes {literal(move.to)}" if allowed else f"{move.verb} is refused in other states",
                f"database, {w.make}" + ("" if straight else ", steps"),
                [*(walk[:1] if straight else walk), *outcome[allowed]],
                keys,
                kind="behaviour" if allowed else "error",
                cases=None if straight else ("steps", steps),
                uses=() if allowed else ["Conflict"],
            )
        )
    return [*made, _missing(w, function, f"{method}(999)", keys[0])]


def _missing(w: Writer, function: str, expression: str, operation: str) -> Case:
    return w.case(
        f"{function}_that_does_not_exist",
        "An unknown id is told as such",
        "database",
        ["with pytest.raises(NotFound):", f"    {expression}"],
        [operation],
        kind="error",
        uses=["NotFound"],
    )
