"""The test cases of one entity of a command line tool about searching, changing, deleting, exporting and moving."""

from __future__ import annotations

from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.case_parts import field_keys, one_step, one_step_uses, pairs
from workers.llm_router.blueprint.design import Transition, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import call, literal

from .case_writer import Writer


def searching(w: Writer) -> Case:
    values = [
        f"({literal(f.name)}, {literal(samples.findable(f))}, {literal(samples.needle(f))})"
        for f in w.resource.searches
    ]
    return w.case(
        f"test_search_{w.plural}",
        f"{w.resource.nouns.capitalize()} are found by a part of their text in any letters",
        f"records, {w.make}, field, value, asked",
        [
            f"{w.make}()",
            f"wanted = {w.make}(**{{field: value}})",
            "",
            f"assert records({w.words('search')}, asked) == [wanted]",
            f'assert records({w.words("search")}, "%") == []',
        ],
        ["search"],
        cases=("field, value, asked", values),
    )


def updating(w: Writer) -> list[Case]:
    given = w.resource.given
    plain = [field for field in given if field.type != "reference"]
    emptied = [field for field in given if optional(field)]
    update = f'{w.words("update")}, str(before["id"])'
    show = f'records({w.words("show")}, str(before["id"]))'
    made = []
    if plain:
        made.append(
            w.case(
                f"test_update_{w.snake}_changes_only_what_is_given",
                "A change sets the fields that it names and leaves the others",
                f"records, options, {w.make}, field, value",
                [
                    f"before, other = {w.make}(), {w.make}()",
                    "",
                    f"(after,) = records({update}, *options({{field: value}}))",
                    "",
                    "assert after == {**before, field: value}",
                    f"assert records({w.words('list')}) == [after, other]",
                ],
                ["update", *field_keys(plain)],
                cases=("field, value", [f"({literal(f.name)}, {literal(samples.value(f, 4))})" for f in plain]),
            )
        )
    wrong = pairs(given, {f.name: [v for v in samples.faults(f) if f.type != "text" or v != "7"][:1] for f in given})
    if wrong:
        made.append(
            w.case(
                f"test_update_{w.snake}_refuses_invalid_value",
                "A change to a value that is not allowed is refused and changes nothing",
                f"run, records, options, {w.make}, field, value",
                [
                    f"before = {w.make}()",
                    "",
                    f"result = run({update}, *options({{field: value}}))",
                    "",
                    "assert result.code in (1, 2)",
                    'option = field.replace("_", "-")',
                    'assert f"error: {field} " in result.errors or f"argument --{option}:" in result.errors',
                    f"assert {show} == [before]",
                ],
                ["update", *field_keys(given)],
                kind="error",
                cases=("field, value", wrong),
            )
        )
    if emptied:
        made.append(
            w.case(
                f"test_update_{w.snake}_can_empty_field",
                "A field that may be left out can be emptied",
                f"records, {w.make}, field",
                [
                    f"before = {w.make}()",
                    "",
                    f'(after,) = records({update}, "--clear", field)',
                    "",
                    "assert after == {**before, field: None}",
                ],
                ["update"],
                kind="boundary",
                cases=("field", [literal(field.name) for field in emptied]),
            )
        )
    missing = w.missing(f"test_update_{w.snake}", "update", "update")
    return [*made, missing, *_update_duplicate(w, update, show), _one_step(w)]


def _one_step(w: Writer) -> Case:
    return w.case(
        f"test_update_{w.snake}_lets_no_other_write_in_between",
        "Nothing can be written between the reading and the writing of a change",
        f"tmp_path, {w.make}",
        [f"before = {w.make}()", 'path = tmp_path / "test.db"', "", *one_step(w.resource, "path")],
        ["update"],
        kind="error",
        uses=one_step_uses(w.resource, w.design.module),
    )


def _update_duplicate(w: Writer, update: str, show: str) -> list[Case]:
    fields = [f for f in w.resource.uniques if f in w.resource.given and (f.type != "reference" or f.required)]
    if not fields:
        return []
    return [
        w.case(
            f"test_update_{w.snake}_refuses_duplicate",
            "A change can't take a value that is unique and used",
            f"run, records, options, {w.make}, field",
            [
                f"first, before = {w.make}(), {w.make}()",
                "",
                f"result = run({update}, *options({{field: first[field]}}))",
                "",
                "assert result.code == 1",
                f"assert {show} == [before]",
            ],
            [f"unique {field.name}" for field in fields],
            kind="error",
            cases=("field", [literal(field.name) for field in fields]),
        )
    ]


def deleting(w: Writer) -> list[Case]:
    made = [
        w.case(
            f"test_delete_{w.snake}",
            f"A deleted {w.resource.noun} is gone, the others stay",
            f"records, {w.make}",
            [
                f"first, second = {w.make}(), {w.make}()",
                "",
                f'records({w.words("delete")}, str(first["id"]))',
                "",
                f"assert records({w.words('list')}) == [second]",
            ],
            ["delete"],
        ),
        w.missing(f"test_delete_{w.snake}", "delete", "delete"),
    ]
    for entity, field in w.resource.children:
        child = f"make_{names.snake(entity)}"
        made.append(
            w.case(
                f"test_delete_{w.snake}_refused_while_{names.snake(entity)}_has_it_as_{field}",
                f"A {w.resource.noun} that is still referred to can't be deleted",
                ", ".join(dict.fromkeys(("run", "records", w.make, child))),
                [
                    f"made = {w.make}()",
                    f'{child}({field}=made["id"])',
                    "",
                    f'result = run({w.words("delete")}, str(made["id"]))',
                    "",
                    "assert result.code == 1",
                    'assert "still referred to" in result.errors',
                    f'assert records({w.words("show")}, str(made["id"])) == [made]',
                ],
                ["delete"],
                kind="error",
            )
        )
    return made


def exporting(w: Writer, name: str) -> Case:
    columns = ["id", *(field.name for field in w.resource.fields)]
    if name == "json":
        check = ["assert json.loads(result.output) == made"]
    else:
        check = [
            "rows = list(csv.DictReader(io.StringIO(result.output)))",
            *call("columns = [", map(literal, columns), "]"),
            'shown = [{key: "" if row[key] is None else str(row[key]) for key in columns} for row in made]',
            "assert rows == shown",
            "assert list(rows[0]) == columns",
        ]
    return w.case(
        f"test_export_{w.plural}_as_{name}",
        f"All {w.resource.nouns} can be had as {name.upper()}, printed or in a file",
        f"run, tmp_path, {w.make}",
        [
            f"made = [{w.make}(), {w.make}()]",
            f'output = tmp_path / "export.{name}"',
            "",
            f'result = run({w.words("export")}, "{name}")',
            f'to_file = run({w.words("export")}, "{name}", f"--output={{output}}")',
            "",
            *check,
            'assert (to_file.code, to_file.output) == (0, "")',
            'assert output.read_text(encoding="utf-8") == result.output',
        ],
        ["export"],
    )


def moving(w: Writer, move: Transition) -> list[Case]:
    function = f"test_{move.verb}_{w.snake}"
    keys = [f"transition {move.verb}"]
    field = next(field for field in w.resource.fields if field.name == move.field)
    ways = samples.reachable(w.resource, move.field) if field in w.resource.managed else {initial(field): ()}
    good = [way for state, way in ways.items() if samples.allows(move, state)]
    bad = [way for state, way in ways.items() if not samples.allows(move, state)]
    segment = literal(w.resource.segment)
    walk = [
        f"record = {w.make}()",
        "for step in steps:",
        f'    (record,) = records({segment}, step, str(record["id"]))',
    ]
    run = f'result = run({w.words(move.verb)}, str(record["id"]))'
    show = f'records({w.words("show")}, str(record["id"]))'
    checks = {
        True: ["assert result.code == 0", f'assert {show} == [{{**record, "{move.field}": {literal(move.to)}}}]'],
        False: ["assert result.code == 1", f'assert "{move.field}" in result.errors', f"assert {show} == [record]"],
    }
    made = []
    for allowed, ways_there in ((True, good), (False, bad)):
        if not ways_there:
            continue
        steps = [literal([names.segment(verb) for verb in way]) for way in ways_there]
        straight = steps == ["[]"]
        made.append(
            w.case(
                function if allowed else f"{function}_refused",
                f"{move.field} becomes {literal(move.to)}" if allowed else f"{move.verb} is refused in other states",
                f"run, records, {w.make}" + ("" if straight else ", steps"),
                [*(walk[:1] if straight else walk), "", run, "", *checks[allowed]],
                keys,
                kind="behaviour" if allowed else "error",
                cases=None if straight else ("steps", steps),
            )
        )
    return [*made, w.missing(function, move.verb, keys[0])]
