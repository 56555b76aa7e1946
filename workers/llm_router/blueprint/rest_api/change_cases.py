"""The test cases of one entity of a REST API about changing, deleting, exporting and moving between states."""

from __future__ import annotations

from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.case_parts import field_keys, one_step, one_step_uses, pairs
from workers.llm_router.blueprint.design import Transition, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import call, literal

from .case_writer import Writer


def updating(w: Writer) -> list[Case]:
    given = w.resource.given
    plain = [field for field in given if field.type != "reference"]
    changed = [f"({literal(f.name)}, {literal(samples.value(f, 4))})" for f in plain]
    never_null = [field for field in given if not optional(field)]
    emptied = [field for field in given if optional(field)]
    record = w.one("created['id']")
    made = []
    if changed:
        made.append(
            w.case(
                f"test_update_{w.snake}_changes_only_what_is_given",
                "A change sets the fields that it names and leaves the others",
                f"client, {w.make()}, field, value",
                [
                    f"created = {w.make()}()",
                    f"{w.make()}()",
                    "",
                    f"response = client.patch({record}, json={{field: value}})",
                    "",
                    "assert response.status_code == 200",
                    "assert response.json() == {**created, field: value}",
                    f"assert client.get({record}).json() == response.json()",
                ],
                ["update", *field_keys(plain)],
                cases=("field, value", changed),
            )
        )
    wrong = pairs(given, {f.name: samples.faults(f)[:1] + (["None"] if f in never_null else []) for f in given})
    made.append(
        w.case(
            f"test_update_{w.snake}_refuses_invalid_value",
            "A change to a value that is not allowed is refused and changes nothing",
            f"client, {w.make()}, field, value",
            [
                f"created = {w.make()}()",
                "",
                f"response = client.patch({record}, json={{field: value}})",
                "",
                "assert response.status_code == 422",
                f"assert client.get({record}).json() == created",
            ],
            ["update", *field_keys(given)],
            kind="error",
            cases=("field, value", [*wrong, '("unheard_of", 1)']),
        )
    )
    if emptied:
        made.append(
            w.case(
                f"test_update_{w.snake}_can_empty_field",
                "A field that may be left out can be emptied",
                f"client, {w.make()}, field",
                [
                    f"created = {w.make()}()",
                    "",
                    f"response = client.patch({record}, json={{field: None}})",
                    "",
                    "assert response.json() == {**created, field: None}",
                ],
                ["update"],
                kind="boundary",
                cases=("field", [literal(field.name) for field in emptied]),
            )
        )
    made.append(
        w.case(
            f"test_update_{w.snake}_that_does_not_exist",
            "Changing an unknown id is answered with 404",
            "client",
            [f'assert client.patch("{w.url}/999", json={{}}).status_code == 404'],
            ["update"],
            kind="error",
        )
    )
    return [*made, *_update_conflicts(w), _one_step(w)]


def _one_step(w: Writer) -> Case:
    return w.case(
        f"test_update_{w.snake}_lets_no_other_write_in_between",
        "Nothing can be written between the reading and the writing of a change",
        f"client, {w.make()}",
        [f"before = {w.make()}()", "path = client.app.state.database_path", "", *one_step(w.resource, "path")],
        ["update"],
        kind="error",
        uses=one_step_uses(w.resource, w.design.module),
    )


def _update_conflicts(w: Writer) -> list[Case]:
    made = []
    record = w.one("second['id']")
    unique = [f for f in w.resource.uniques if f in w.resource.given and (f.type != "reference" or f.required)]
    if unique:
        made.append(
            w.case(
                f"test_update_{w.snake}_refuses_duplicate",
                "A change can't take a value that is unique and used",
                f"client, {w.make()}, field",
                [
                    f"first, second = {w.make()}(), {w.make()}()",
                    "",
                    f"response = client.patch({record}, json={{field: first[field]}})",
                    "",
                    "assert response.status_code == 409",
                    f"assert client.get({record}).json() == second",
                ],
                [f"unique {field.name}" for field in unique],
                kind="error",
                cases=("field", [literal(field.name) for field in unique]),
            )
        )
    if w.resource.references:
        made.append(
            w.case(
                f"test_update_{w.snake}_refuses_unknown_reference",
                "A change can't refer to a record that does not exist",
                f"client, {w.make()}, field",
                [
                    f"second = {w.make()}()",
                    "",
                    f"response = client.patch({record}, json={{field: 999}})",
                    "",
                    "assert response.status_code == 422",
                    f"assert client.get({record}).json() == second",
                ],
                [f"reference {field.name}" for field in w.resource.references],
                kind="error",
                cases=("field", [literal(field.name) for field in w.resource.references]),
            )
        )
    return made


def deleting(w: Writer) -> list[Case]:
    record = w.one("created['id']")
    made = [
        w.case(
            f"test_delete_{w.snake}",
            f"A deleted {w.resource.noun} is gone, the others stay",
            f"client, {w.make()}",
            [
                f"created, other = {w.make()}(), {w.make()}()",
                "",
                f"assert client.delete({record}).status_code == 204",
                "",
                f"assert client.get({record}).status_code == 404",
                f'assert client.get("{w.url}").json() == {{"items": [other], "total": 1}}',
            ],
            ["delete"],
        ),
        w.case(
            f"test_delete_{w.snake}_that_does_not_exist",
            "Deleting an unknown id is answered with 404",
            "client",
            [f'assert client.delete("{w.url}/999").status_code == 404'],
            ["delete"],
            kind="error",
        ),
    ]
    for entity, field in w.resource.children:
        child = w.make(entity)
        fixtures = w.make() if child == w.make() else f"{w.make()}, {child}"
        made.append(
            w.case(
                f"test_delete_{w.snake}_refused_while_{names.snake(entity)}_has_it_as_{field}",
                f"A {w.resource.noun} that is still referred to can't be deleted",
                f"client, {fixtures}",
                [
                    f"created = {w.make()}()",
                    f'{child}({field}=created["id"])',
                    "",
                    f"response = client.delete({record})",
                    "",
                    "assert response.status_code == 409",
                    'assert "still referred to" in response.json()["detail"]',
                    f"assert client.get({record}).status_code == 200",
                ],
                ["delete"],
                kind="error",
            )
        )
    return made


def exporting(w: Writer, name: str) -> Case:
    columns = ["id", *(field.name for field in w.resource.fields)]
    if name == "json":
        check = ["assert response.json() == made"]
    else:
        check = [
            "rows = list(csv.DictReader(io.StringIO(response.text)))",
            *call("columns = [", map(literal, columns), "]"),
            'shown = [{key: "" if row[key] is None else str(row[key]) for key in columns} for row in made]',
            "assert rows == shown",
        ]
    media = "text/csv" if name == "csv" else "application/json"
    return w.case(
        f"test_export_{w.plural}_as_{name}",
        f"All {w.resource.nouns} can be had as a {name.upper()} file",
        f"client, {w.make()}",
        [
            f"made = [{w.make()}(), {w.make()}()]",
            "",
            f'response = client.get("{w.url}/export.{name}")',
            "",
            "assert response.status_code == 200",
            f'assert response.headers["content-type"].startswith("{media}")',
            f'assert "{w.plural}.{name}" in response.headers["content-disposition"]',
            *check,
        ],
        ["export"],
        uses=(("csv", ""), ("io", "")) if name == "csv" else (),
    )


def moving(w: Writer, move: Transition) -> list[Case]:
    url = move.verb.replace("_", "-")
    record = w.one("record['id']")
    function = f"test_{move.verb}_{w.snake}"
    keys = [f"transition {move.verb}"]
    field = next(field for field in w.resource.fields if field.name == move.field)
    ways = samples.reachable(w.resource, move.field) if field in w.resource.managed else {initial(field): ()}
    good = [way for state, way in ways.items() if samples.allows(move, state)]
    bad = [way for state, way in ways.items() if not samples.allows(move, state)]
    walk = [f"record = {w.make()}()", "for step in steps:", f"    record = client.post({w.one(_ID, '/{step}')}).json()"]
    made = []
    for ways_there, status, name in ((good, 200, function), (bad, 409, f"{function}_refused")):
        if not ways_there:
            continue
        steps = [literal([verb.replace("_", "-") for verb in way]) for way in ways_there]
        straight = steps == ["[]"]
        outcome = f'{{**record, "{move.field}": {literal(move.to)}}}' if status == 200 else "record"
        made.append(
            w.case(
                name,
                f"{move.field} becomes {literal(move.to)}"
                if status == 200
                else f"{move.verb} is refused in other states",
                f"client, {w.make()}" + ("" if straight else ", steps"),
                [
                    *(walk[:1] if straight else walk),
                    "",
                    f"response = client.post({w.one(_ID, f'/{url}')})",
                    "",
                    f"assert response.status_code == {status}",
                    f"assert client.get({record}).json() == {outcome}",
                ],
                keys,
                kind="behaviour" if status == 200 else "error",
                cases=None if straight else ("steps", steps),
            )
        )
    made.append(
        w.case(
            f"{function}_that_does_not_exist",
            "An unknown id is answered with 404",
            "client",
            [f'assert client.post("{w.url}/999/{url}").status_code == 404'],
            keys,
            kind="error",
        )
    )
    return made


_ID = "record['id']"
