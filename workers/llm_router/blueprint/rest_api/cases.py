"""How the test cases of one entity of a REST API are written."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.cases.parts import one_step, one_step_uses, pairs
from workers.llm_router.blueprint.cases.writer import Body, Writer, fixtures
from workers.llm_router.blueprint.design import Design, Resource, Transition, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import literal


class ServiceWriter(Writer):
    """Requests to the service, and what it answers."""

    def __init__(self, resource: Resource, design: Design) -> None:
        super().__init__(resource, design)
        self.url = f"/{resource.segment}"
        self.body = f"{self.snake}_body"

    def one(self, record: str, rest: str = "") -> str:
        """The address of a record."""
        return f"f\"{self.url}/{{{record}['id']}}{rest}\""

    def post(self, body: str) -> str:
        return f'client.post("{self.url}", json={body})'

    def created(self) -> Body:
        return Body(
            f"client, {self.body}",
            [
                f"body = {self.body}()",
                "",
                f"response = {self.post('body')}",
                "",
                "assert response.status_code == 201",
                "created = response.json()",
                *self.stored("body", self.unsent()),
                f"assert client.get({self.one('created')}).json() == created",
            ],
        )

    def left_out(self) -> Body:
        return Body(
            f"client, {self.body}",
            [
                f"body = {self.body}()",
                *self.removal("body"),
                "",
                f"created = {self.post('body')}.json()",
                "",
                *self.stored("body", self.defaults()),
            ],
        )

    def needed(self) -> Body:
        return Body(
            f"client, {self.body}, field",
            [
                f"body = {self.body}()",
                "del body[field]",
                "",
                f"response = {self.post('body')}",
                "",
                "assert response.status_code == 422",
                'assert response.json()["detail"][0]["loc"] == ["body", field]',
            ],
        )

    def refused(self) -> Body:
        return self.answered(f"{self.body}(**{{field: value}})", 422, self.none_stored(), "field, value")

    def accepted(self) -> Body:
        check = "assert response.json()[field] == value"
        return self.answered(f"{self.body}(**{{field: value}})", 201, check, "field, value")

    def answered(self, body: str, status: int, check: str = "", parameters: str = "") -> Body:
        checks = [f"assert response.status_code == {status}", *filter(None, [check])]
        return Body(fixtures("client", self.body, parameters), [f"response = {self.post(body)}", "", *checks])

    def none_stored(self) -> str:
        return f'assert client.get("{self.url}").json()["total"] == 0'

    def more_creating(self) -> list[Case]:
        return [
            self.case(
                f"test_create_{self.snake}_refuses_unknown_field",
                "A field that nobody knows is refused",
                self.answered(f"{self.body}(unheard_of=1)", 422),
                ["create"],
                kind="error",
            )
        ]

    def duplicate(self) -> Body:
        return Body(
            f"client, {self.body}, {self.make}, field",
            [
                f"first = {self.make}()",
                "",
                f"response = {self.post(f'{self.body}(**{{field: first[field]}})')}",
                "",
                "assert response.status_code == 409",
                'assert field in response.json()["detail"]',
                f'assert client.get("{self.url}").json() == {{"items": [first], "total": 1}}',
            ],
        )

    def unknown_reference(self) -> Body:
        listed = names.listing([field.name for field in self.resource.references], "or")
        return Body(
            f"client, {self.body}, field",
            [
                f"response = {self.post(f'{self.body}(**{{field: 999}})')}",
                "",
                "assert response.status_code == 422",
                f'assert response.json() == {{"detail": "{listed} refers to a record that does not exist"}}',
                self.none_stored(),
            ],
        )

    def referring(self, field: Field, parent: str) -> Body:
        return Body(
            f"client, {parent}, {self.body}",
            [
                f'body = {self.body}({field.name}={parent}()["id"])',
                "",
                f"created = {self.post('body')}.json()",
                "",
                f'assert created["{field.name}"] == body["{field.name}"]',
            ],
        )

    def reading(self) -> list[Case]:
        unknown = [
            f'response = client.get("{self.url}/999")',
            "",
            "assert response.status_code == 404",
            f'assert response.json() == {{"detail": "there is no {self.resource.noun} 999"}}',
        ]
        bad = Body("client, record_id", [f'assert client.get(f"{self.url}/{{record_id}}").status_code == 422'])
        return [
            self.case(
                f"test_read_{self.snake}_that_does_not_exist",
                "Reading an unknown id is answered with 404",
                Body("client", unknown),
                ["read"],
                kind="error",
            ),
            self.case(
                f"test_read_{self.snake}_refuses_bad_id",
                "An id that can't be one is refused",
                bad,
                ["read"],
                kind="boundary",
                cases=("record_id", ["0", "-1", '"first"', "2**63"]),
            ),
        ]

    def listing(self) -> list[Case]:
        many, size = (21, 20) if all(samples.differing(field, 21) for field in self.resource.uniques) else (3, 3)
        pages = [
            f'assert client.get("{self.url}").json() == {{"items": [], "total": 0}}',
            f"made = [{self.make}() for _ in range({many})]",
            "",
            f'assert client.get("{self.url}").json() == {{"items": made[:{size}], "total": {many}}}',
            f'page = client.get("{self.url}", params={{"limit": 2, "offset": 1}})',
            f'assert page.json() == {{"items": made[1:3], "total": {many}}}',
        ]
        good, bad = ('"limit": 1', '"limit": 100'), ('"limit": 0', '"limit": 101', '"offset": -1', '"unheard_of": 1')
        limits = [f'assert client.get("{self.url}", params=parameters).status_code == status']
        return [
            self.case(
                f"test_list_{self.plural}_in_pages",
                f"{self.resource.nouns.capitalize()} are listed oldest first, in pages, with their number",
                Body(f"client, {self.make}", pages),
                ["list"],
            ),
            self.case(
                f"test_list_{self.plural}_page_limits",
                "A page holds 1 to 100 records and starts at 0 or later",
                Body("client, parameters, status", limits),
                ["list"],
                kind="boundary",
                cases=("parameters, status", [f"({{{p}}}, {200 if p in good else 422})" for p in (*good, *bad)]),
            ),
        ]

    def narrowed(self, field: Field, made: Sequence[str], parents: Sequence[str]) -> Body:
        asked = f'client.get("{self.url}", params={{"{field.name}": wanted["{field.name}"]}})'
        check = 'assert response.json() == {"items": [wanted], "total": 1}'
        return Body(fixtures("client", self.make, *parents), [*made, "", f"response = {asked}", "", check])

    def ranged(self, field: Field) -> Body:
        values = ", ".join(samples.rising(field))
        return Body(
            f"client, {self.make}",
            [
                f"low, middle, high = ({self.make}({field.name}=value) for value in ({values}))",
                "",
                f'least = client.get("{self.url}", params={{"{field.name}_min": middle["{field.name}"]}})',
                'assert least.json() == {"items": [middle, high], "total": 2}',
                f'most = client.get("{self.url}", params={{"{field.name}_max": middle["{field.name}"]}})',
                'assert most.json() == {"items": [low, middle], "total": 2}',
            ],
        )

    def found(self) -> Body:
        return Body(
            f"client, {self.make}, field, value, asked",
            [
                f"{self.make}()",
                f"wanted = {self.make}(**{{field: value}})",
                "",
                f'response = client.get("{self.url}", params={{"q": asked}})',
                "",
                'assert response.json() == {"items": [wanted], "total": 1}',
            ],
        )

    def more_searching(self) -> list[Case]:
        lines = [
            f"{self.make}()",
            "",
            f'assert client.get("{self.url}", params={{"q": "%"}}).json() == {{"items": [], "total": 0}}',
            f'assert client.get("{self.url}", params={{"q": ""}}).status_code == 422',
        ]
        return [
            self.case(
                f"test_search_{self.plural}_without_match",
                "A search that nothing matches finds nothing; an empty one is refused",
                Body(f"client, {self.make}", lines),
                ["search"],
                kind="boundary",
            )
        ]

    def changed(self) -> Body:
        return Body(
            f"client, {self.make}, field, value",
            [
                f"created = {self.make}()",
                f"{self.make}()",
                "",
                f"response = client.patch({self.one('created')}, json={{field: value}})",
                "",
                "assert response.status_code == 200",
                "assert response.json() == {**created, field: value}",
                f"assert client.get({self.one('created')}).json() == response.json()",
            ],
        )

    def wrong_changes(self) -> list[str]:
        given = self.resource.given
        wrong = {f.name: [*samples.faults(f)[:1], *([] if optional(f) else ["None"])] for f in given}
        return [*pairs(given, wrong), '("unheard_of", 1)']

    def change_refused(self) -> Body:
        return self.patched("created", f"created = {self.make}()", "value", 422, "field, value")

    def patched(self, record: str, made: str, value: str, status: int, parameters: str = "field") -> Body:
        """A change that is refused, after which the record is as it was."""
        return Body(
            f"client, {self.make}, {parameters}",
            [
                made,
                "",
                f"response = client.patch({self.one(record)}, json={{field: {value}}})",
                "",
                f"assert response.status_code == {status}",
                f"assert client.get({self.one(record)}).json() == {record}",
            ],
        )

    def emptied(self) -> Body:
        return Body(
            f"client, {self.make}, field",
            [
                f"created = {self.make}()",
                "",
                f"response = client.patch({self.one('created')}, json={{field: None}})",
                "",
                "assert response.json() == {**created, field: None}",
            ],
        )

    def change_duplicate(self) -> Body:
        return self.patched("second", f"first, second = {self.make}(), {self.make}()", "first[field]", 409)

    def more_updating(self) -> list[Case]:
        fields = self.resource.references
        if not fields:
            return []
        return [
            self.case(
                f"test_update_{self.snake}_refuses_unknown_reference",
                "A change can't refer to a record that does not exist",
                self.patched("second", f"second = {self.make}()", "999", 422),
                [f"reference {field.name}" for field in fields],
                kind="error",
                cases=("field", [literal(field.name) for field in fields]),
            )
        ]

    def one_step(self) -> Body:
        lines = [f"before = {self.make}()", "path = client.app.state.database_path", "", *one_step(self.resource)]
        return Body(f"client, {self.make}", lines, one_step_uses(self.resource, self.design.module))

    def missing(self, function: str, verb: str, operation: str) -> Case:
        titles = {"update": "Changing an unknown id", "delete": "Deleting an unknown id"}
        requests = {"update": f'patch("{self.url}/999", json={{}})', "delete": f'delete("{self.url}/999")'}
        request = requests.get(operation, f'post("{self.url}/999/{self.step(verb)}")')
        return self.case(
            f"{function}_that_does_not_exist",
            f"{titles.get(operation, 'An unknown id')} is answered with 404",
            Body("client", [f"assert client.{request}.status_code == 404"]),
            [operation],
            kind="error",
        )

    def deleted(self) -> Body:
        return Body(
            f"client, {self.make}",
            [
                f"created, other = {self.make}(), {self.make}()",
                "",
                f"assert client.delete({self.one('created')}).status_code == 204",
                "",
                f"assert client.get({self.one('created')}).status_code == 404",
                f'assert client.get("{self.url}").json() == {{"items": [other], "total": 1}}',
            ],
        )

    def in_use(self, child: str, field: str) -> Body:
        return Body(
            fixtures("client", self.make, child),
            [
                f"created = {self.make}()",
                f'{child}({field}=created["id"])',
                "",
                f"response = client.delete({self.one('created')})",
                "",
                "assert response.status_code == 409",
                'assert "still referred to" in response.json()["detail"]',
                f"assert client.get({self.one('created')}).status_code == 200",
            ],
        )

    def exporting(self, name: str) -> Case:
        media = "text/csv" if name == "csv" else "application/json"
        lines = [
            f"made = [{self.make}(), {self.make}()]",
            "",
            f'response = client.get("{self.url}/export.{name}")',
            "",
            "assert response.status_code == 200",
            f'assert response.headers["content-type"].startswith("{media}")',
            f'assert "{self.plural}.{name}" in response.headers["content-disposition"]',
            *(["assert response.json() == made"] if name == "json" else self.csv_check("response.text")),
        ]
        title = f"All {self.resource.nouns} can be had as a {name.upper()} file"
        return self.case(f"test_export_{self.plural}_as_{name}", title, Body(f"client, {self.make}", lines), ["export"])

    def walked(self) -> list[str]:
        step = f"    record = client.post({self.one('record', '/{step}')}).json()"
        return [f"record = {self.make}()", "for step in steps:", step]

    def one_moved(self, move: Transition) -> str:
        return f"client.post({self.one(f'{self.make}()', f'/{self.step(move.verb)}')}).json()"

    def moved(self, move: Transition, walk: Sequence[str], *, allowed: bool) -> Body:
        outcome = f'{{**record, "{move.field}": {literal(move.to)}}}' if allowed else "record"
        return Body(
            f"client, {self.make}",
            [
                *walk,
                "",
                f"response = client.post({self.one('record', f'/{self.step(move.verb)}')})",
                "",
                f"assert response.status_code == {200 if allowed else 409}",
                f"assert client.get({self.one('record')}).json() == {outcome}",
            ],
        )
