"""The test cases of one entity of a REST API; here the ones about creating and reading."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.case_parts import field_keys, pairs
from workers.llm_router.blueprint.design import Design, Resource, default, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import call, literal

from . import change_cases, list_cases
from .case_writer import Writer


def cases(resource: Resource, design: Design) -> list[Case]:
    w = Writer(resource, design)
    made = [*_creating(w), *_reading(w), *list_cases.cases(w)]
    if resource.updates and resource.given:
        made += change_cases.updating(w)
    if resource.deletes:
        made += change_cases.deleting(w)
    for name in resource.formats:
        made.append(change_cases.exporting(w, name))
    for transition in resource.transitions:
        made += change_cases.moving(w, transition)
    return made


def _unsent(w: Writer) -> dict[str, object]:
    """What a record holds that the default body did not say."""
    found: dict[str, object] = {f.name: None for f in w.resource.given if f.type == "reference" and not f.required}
    found.update({field.name: initial(field) for field in w.resource.managed})
    return found


def _creating(w: Writer) -> list[Case]:
    resource, s = w.resource, w.snake
    keys = ["create", "read", *field_keys(resource.fields)]
    expected = ["**body", '"id": 1', *(f"{literal(name)}: {literal(value)}" for name, value in _unsent(w).items())]
    made = [
        w.case(
            f"test_create_{s}",
            f"A new {resource.noun} is stored with all its fields",
            f"client, {s}_body",
            [
                f"body = {s}_body()",
                "",
                f'response = client.post("{w.url}", json=body)',
                "",
                "assert response.status_code == 201",
                "created = response.json()",
                *call("assert created == {", expected, "}"),
                f"assert client.get({w.one('created[' + repr('id') + ']')}).json() == created",
            ],
            keys,
        )
    ]
    left_out = [field for field in resource.given if optional(field) or field.default]
    if left_out:
        made.append(_defaults(w, left_out))
    required = [field for field in resource.given if field not in left_out]
    if required:
        made.append(
            w.case(
                f"test_create_{s}_needs_field",
                f"A {resource.noun} without a required field is refused",
                f"client, {s}_body, field",
                [
                    f"body = {s}_body()",
                    "del body[field]",
                    "",
                    f'response = client.post("{w.url}", json=body)',
                    "",
                    "assert response.status_code == 422",
                    'assert response.json()["detail"][0]["loc"] == ["body", field]',
                ],
                [*field_keys(required), "create"],
                kind="error",
                cases=("field", [literal(field.name) for field in required]),
            )
        )
    plain = [field for field in resource.given if field.type != "reference"]
    bad = pairs(resource.given, {field.name: samples.faults(field) for field in resource.given})
    if bad:
        made.append(
            w.case(
                f"test_create_{s}_refuses_invalid_value",
                f"A {resource.noun} with a value that is not allowed is refused and not stored",
                f"client, {s}_body, field, value",
                [
                    f'response = client.post("{w.url}", json={s}_body(**{{field: value}}))',
                    "",
                    "assert response.status_code == 422",
                    f'assert client.get("{w.url}").json()["total"] == 0',
                ],
                [*field_keys(resource.given), "create"],
                kind="error",
                cases=("field, value", bad),
            )
        )
    good = pairs(plain, {field.name: samples.edges(field) for field in plain})
    if good:
        made.append(
            w.case(
                f"test_create_{s}_accepts_boundary",
                "The first and the last allowed values are accepted",
                f"client, {s}_body, field, value",
                [
                    f'response = client.post("{w.url}", json={s}_body(**{{field: value}}))',
                    "",
                    "assert response.status_code == 201",
                    "assert response.json()[field] == value",
                ],
                field_keys(field for field in plain if samples.edges(field)),
                kind="boundary",
                cases=("field, value", good),
            )
        )
    made.append(
        w.case(
            f"test_create_{s}_refuses_unknown_field",
            "A field that nobody knows is refused",
            f"client, {s}_body",
            [
                f'response = client.post("{w.url}", json={s}_body(unheard_of=1))',
                "",
                "assert response.status_code == 422",
            ],
            ["create"],
            kind="error",
        )
    )
    return made + _unique(w) + _references(w)


def _defaults(w: Writer, left_out: list[Field]) -> Case:
    resource, s = w.resource, w.snake
    expected: dict[str, object] = {field.name: default(field) for field in left_out}
    expected.update({field.name: initial(field) for field in resource.managed})
    gone = [literal(field.name) for field in left_out if field.type != "reference"]
    removal = [] if not gone else [*call("for name in (", gone, "):" if len(gone) > 1 else ",):"), "    del body[name]"]
    return w.case(
        f"test_create_{s}_fills_in_what_is_left_out",
        "Fields that may be left out get their default or stay empty",
        f"client, {s}_body",
        [
            f"body = {s}_body()",
            *removal,
            "",
            f'created = client.post("{w.url}", json=body).json()',
            "",
            *call(
                "assert created == {",
                ["**body", '"id": 1', *(f"{literal(k)}: {literal(v)}" for k, v in expected.items())],
                "}",
            ),
        ],
        [*field_keys(left_out), "create"],
    )


def _unique(w: Writer) -> list[Case]:
    fields = [field for field in w.resource.uniques if field in w.resource.given]
    if not fields:
        return []
    parents = [field for field in fields if field.type == "reference" and not field.required]
    chosen = [field for field in fields if field not in parents]
    if not chosen:
        return []
    return [
        w.case(
            f"test_create_{w.snake}_refuses_duplicate",
            "A value that must be unique can't be used twice",
            f"client, {w.snake}_body, {w.make()}, field",
            [
                f"first = {w.make()}()",
                "",
                f'response = client.post("{w.url}", json={w.snake}_body(**{{field: first[field]}}))',
                "",
                "assert response.status_code == 409",
                'assert field in response.json()["detail"]',
                f'assert client.get("{w.url}").json() == {{"items": [first], "total": 1}}',
            ],
            [f"unique {field.name}" for field in chosen],
            kind="error",
            cases=("field", [literal(field.name) for field in chosen]),
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
            f"client, {w.snake}_body, field",
            [
                f'response = client.post("{w.url}", json={w.snake}_body(**{{field: 999}}))',
                "",
                "assert response.status_code == 422",
                f'assert response.json() == {{"detail": "{listed} refers to a record that does not exist"}}',
                f'assert client.get("{w.url}").json()["total"] == 0',
            ],
            [f"reference {field.name}" for field in fields],
            kind="error",
            cases=("field", [literal(field.name) for field in fields]),
        )
    ]
    for field in fields:
        if not field.required:
            parent = w.make(field.references)
            made.append(
                w.case(
                    f"test_{w.snake}_may_have_{field.name}",
                    f"A {w.resource.noun} can refer to {names.article(names.words(field.references))}",
                    f"client, {parent}, {w.snake}_body",
                    [
                        f'body = {w.snake}_body({field.name}={parent}()["id"])',
                        "",
                        f'created = client.post("{w.url}", json=body).json()',
                        "",
                        f'assert created["{field.name}"] == body["{field.name}"]',
                    ],
                    [f"reference {field.name}", f"field {field.name}"],
                )
            )
    return made


def _reading(w: Writer) -> list[Case]:
    return [
        w.case(
            f"test_read_{w.snake}_that_does_not_exist",
            "Reading an unknown id is answered with 404",
            "client",
            [
                f'response = client.get("{w.url}/999")',
                "",
                "assert response.status_code == 404",
                f'assert response.json() == {{"detail": "there is no {w.resource.noun} 999"}}',
            ],
            ["read"],
            kind="error",
        ),
        w.case(
            f"test_read_{w.snake}_refuses_bad_id",
            "An id that can't be one is refused",
            "client, record_id",
            [f'assert client.get(f"{w.url}/{{record_id}}").status_code == 422'],
            ["read"],
            kind="boundary",
            cases=("record_id", ["0", "-1", '"first"', "2**63"]),
        ),
    ]
