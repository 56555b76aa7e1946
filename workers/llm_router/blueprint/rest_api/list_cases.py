"""The test cases of one entity of a REST API about listing, narrowing and searching."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import samples
from workers.llm_router.blueprint.design import RANGED, Transition, initial
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import literal

from .case_writer import Writer


def cases(w: Writer) -> list[Case]:
    many, size = (21, 20) if all(samples.differing(field, 21) for field in w.resource.uniques) else (3, 3)
    made = [
        w.case(
            f"test_list_{w.plural}_in_pages",
            f"{w.resource.nouns.capitalize()} are listed oldest first, in pages, with their number",
            f"client, {w.make()}",
            [
                f'assert client.get("{w.url}").json() == {{"items": [], "total": 0}}',
                f"made = [{w.make()}() for _ in range({many})]",
                "",
                f'assert client.get("{w.url}").json() == {{"items": made[:{size}], "total": {many}}}',
                f'page = client.get("{w.url}", params={{"limit": 2, "offset": 1}})',
                f'assert page.json() == {{"items": made[1:3], "total": {many}}}',
            ],
            ["list"],
        ),
        w.case(
            f"test_list_{w.plural}_page_limits",
            "A page holds 1 to 100 records and starts at 0 or later",
            "client, parameters, status",
            [f'assert client.get("{w.url}", params=parameters).status_code == status'],
            ["list"],
            kind="boundary",
            cases=(
                "parameters, status",
                [
                    '({"limit": 1}, 200)',
                    '({"limit": 100}, 200)',
                    '({"limit": 0}, 422)',
                    '({"limit": 101}, 422)',
                    '({"offset": -1}, 422)',
                    '({"unheard_of": 1}, 422)',
                ],
            ),
        ),
    ]
    made += [case for field in w.resource.filters for case in _filtering(w, field)]
    return made + (_searching(w) if w.resource.searches else [])


def _filtering(w: Writer, field: Field) -> list[Case]:
    body = _filter_body(w, field)
    fixtures = f"client, {w.make()}"
    if field.type == "reference" and w.make(field.references) != w.make():
        fixtures += f", {w.make(field.references)}"
    made = []
    if body:
        made.append(
            w.case(
                f"test_list_{w.plural}_by_{field.name}",
                f"The list can be narrowed by {field.name}",
                fixtures,
                body,
                [f"filter {field.name}", "list"],
            )
        )
    if field.type in RANGED and samples.differing(field, 3):
        values = samples.rising(field)
        made.append(
            w.case(
                f"test_list_{w.plural}_by_{field.name}_range",
                f"The list can be narrowed to a range of {field.name}; both ends count",
                fixtures,
                [
                    f"low, middle, high = ({w.make()}({field.name}=value) for value in ({', '.join(values)}))",
                    "",
                    f'least = client.get("{w.url}", params={{"{field.name}_min": middle["{field.name}"]}})',
                    'assert least.json() == {"items": [middle, high], "total": 2}',
                    f'most = client.get("{w.url}", params={{"{field.name}_max": middle["{field.name}"]}})',
                    'assert most.json() == {"items": [low, middle], "total": 2}',
                ],
                [f"filter {field.name}", "list"],
                kind="boundary",
            )
        )
    return made


def _filter_body(w: Writer, field: Field) -> list[str]:
    """Two records that differ in the field, one of them asked for."""
    asked = f'client.get("{w.url}", params={{"{field.name}": wanted["{field.name}"]}})'
    end = ["", f"response = {asked}", "", 'assert response.json() == {"items": [wanted], "total": 1}']
    if field in w.resource.managed:
        move = next((t for t in w.resource.transitions if t.field == field.name and _first(w, t)), None)
        if move is None:
            return []
        path = w.one("other['id']", f"/{move.verb.replace('_', '-')}")
        return [f"other = {w.make()}()", f"wanted = client.post({path}).json()", f"{w.make()}()", *end]
    if field.type == "reference":
        parent = w.make(field.references)
        if parent == w.make():
            return [f"other = {w.make()}()", f'wanted = {w.make()}({field.name}=other["id"])', *end]
        return [
            f'{w.make()}({field.name}={parent}()["id"])',
            f'wanted = {w.make()}({field.name}={parent}()["id"])',
            *end,
        ]
    if not samples.differing(field, 2):
        return []
    first, second = literal(samples.value(field, 1)), literal(samples.value(field, 2))
    return [f"{w.make()}({field.name}={first})", f"wanted = {w.make()}({field.name}={second})", *end]


def _first(w: Writer, move: Transition) -> bool:
    """Whether a new record can be moved so, to another state."""
    field = next(field for field in w.resource.fields if field.name == move.field)
    return samples.allows(move, initial(field)) and move.to != initial(field)


def _searching(w: Writer) -> list[Case]:
    fields = w.resource.searches
    values = [f"({literal(f.name)}, {literal(samples.findable(f))}, {literal(samples.needle(f))})" for f in fields]
    return [
        w.case(
            f"test_search_{w.plural}",
            f"{w.resource.nouns.capitalize()} are found by a part of their text in any letters",
            f"client, {w.make()}, field, value, asked",
            [
                f"{w.make()}()",
                f"wanted = {w.make()}(**{{field: value}})",
                "",
                f'response = client.get("{w.url}", params={{"q": asked}})',
                "",
                'assert response.json() == {"items": [wanted], "total": 1}',
            ],
            ["search"],
            cases=("field, value, asked", values),
        ),
        w.case(
            f"test_search_{w.plural}_without_match",
            "A search that nothing matches finds nothing; an empty one is refused",
            f"client, {w.make()}",
            [
                f"{w.make()}()",
                "",
                f'assert client.get("{w.url}", params={{"q": "%"}}).json() == {{"items": [], "total": 0}}',
                f'assert client.get("{w.url}", params={{"q": ""}}).status_code == 422',
            ],
            ["search"],
            kind="boundary",
        ),
    ]
