"""How the test cases of one entity of a command line tool are written."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.cases.parts import one_step, one_step_uses, pairs
from workers.llm_router.blueprint.cases.writer import Body, Writer, fixtures
from workers.llm_router.blueprint.design import Transition
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import call, literal

_REFUSED = (
    "assert result.code in (1, 2)",
    'option = field.replace("_", "-")',
    'assert f"error: {field} " in result.errors or f"argument --{option}:" in result.errors',
)


class CommandWriter(Writer):
    """Command lines, and what they print."""

    def words(self, verb: str) -> str:
        """The command as the first arguments of `run`."""
        return f"{literal(self.resource.segment)}, {literal(names.segment(verb))}"

    def records(self, verb: str, *rest: str) -> str:
        return f"records({', '.join((self.words(verb), *rest))})"

    def run(self, verb: str, *rest: str) -> str:
        return f"result = run({', '.join((self.words(verb), *rest))})"

    def show(self, record: str) -> str:
        return self.records("show", f'str({record}["id"])')

    @property
    def values(self) -> str:
        return f"{self.snake}_values"

    def faults(self, field: Field) -> list[str]:
        """Any word is a text."""
        return [fault for fault in samples.faults(field) if not (field.type == "text" and fault == "7")]

    def created(self) -> Body:
        return Body(
            f"records, options, {self.values}",
            [
                f"values = {self.values}()",
                "",
                f"(created,) = {self.records('create', '*options(values)')}",
                "",
                *self.stored("values", self.unsent()),
                f"assert {self.records('show', literal('1'))} == [created]",
            ],
        )

    def left_out(self) -> Body:
        return Body(
            f"records, options, {self.values}",
            [
                f"values = {self.values}()",
                *self.removal("values"),
                "",
                f"(created,) = {self.records('create', '*options(values)')}",
                "",
                *self.stored("values", self.defaults()),
            ],
        )

    def needed(self) -> Body:
        return Body(
            f"run, options, {self.values}, field",
            [
                f"values = {self.values}()",
                "del values[field]",
                "",
                self.run("create", "*options(values)"),
                "",
                "assert result.code == 2",
                'assert "--" + field.replace("_", "-") in result.errors',
            ],
        )

    def refused(self) -> Body:
        return Body(
            f"run, records, options, {self.values}, field, value",
            [
                self.run("create", f"*options({self.values}(**{{field: value}}))"),
                "",
                *_REFUSED,
                f"assert {self.records('list')} == []",
            ],
        )

    def accepted(self) -> Body:
        return Body(f"{self.make}, field, value", [f"assert {self.make}(**{{field: value}})[field] == value"])

    def duplicate(self) -> Body:
        return Body(
            f"run, records, options, {self.values}, {self.make}, field",
            [
                f"first = {self.make}()",
                "",
                f"values = {self.values}(**{{field: first[field]}})",
                self.run("create", "*options(values)"),
                "",
                "assert result.code == 1",
                'assert f"error: {field} is already in use" in result.errors',
                f"assert {self.records('list')} == [first]",
            ],
        )

    def unknown_reference(self) -> Body:
        listed = names.listing([field.name for field in self.resource.references], "or")
        return Body(
            f"run, records, options, {self.values}, field",
            [
                self.run("create", f"*options({self.values}(**{{field: 999}}))"),
                "",
                "assert result.code == 1",
                f'assert result.errors == "error: {listed} refers to a record that does not exist\\n"',
                f"assert {self.records('list')} == []",
            ],
        )

    def referring(self, field: Field, parent: str) -> Body:
        check = f'assert {self.make}({field.name}=parent["id"])["{field.name}"] == parent["id"]'
        return Body(fixtures(parent, self.make), [f"parent = {parent}()", "", check])

    def reading(self) -> list[Case]:
        return [self.missing(f"test_show_{self.snake}", "show", "read")]

    def listing(self) -> list[Case]:
        lines = [
            f"assert {self.records('list')} == []",
            f"made = [{self.make}() for _ in range(3)]",
            "",
            f"assert {self.records('list')} == made",
            f"assert {self.records('list', literal('--limit=1'), literal('--offset=1'))} == [made[1]]",
        ]
        title = f"{self.resource.nouns.capitalize()} are listed oldest first, all or a part of them"
        return [self.case(f"test_list_{self.plural}", title, Body(f"records, {self.make}", lines), ["list"])]

    def narrowed(self, field: Field, made: Sequence[str], parents: Sequence[str]) -> Body:
        asked = f'*options({{"{field.name}": wanted["{field.name}"]}})'
        lines = [*made, "", f"assert {self.records('list', asked)} == [wanted]"]
        return Body(fixtures("records", "options", self.make, *parents), lines)

    def ranged(self, field: Field) -> Body:
        option = f"--{field.name.replace('_', '-')}"
        least, most = (f'f"{option}-{end}={{values[1]}}"' for end in ("min", "max"))
        return Body(
            f"records, {self.make}",
            [
                *call("values = [", samples.rising(field), "]"),
                f"low, middle, high = ({self.make}({field.name}=value) for value in values)",
                "",
                f"least = {self.records('list', least)}",
                "assert least == [middle, high]",
                f"most = {self.records('list', most)}",
                "assert most == [low, middle]",
            ],
        )

    def found(self) -> Body:
        return Body(
            f"records, {self.make}, field, value, asked",
            [
                f"{self.make}()",
                f"wanted = {self.make}(**{{field: value}})",
                "",
                f"assert {self.records('search', 'asked')} == [wanted]",
                f"assert {self.records('search', literal('%'))} == []",
            ],
        )

    def update(self, values: str) -> tuple[str, str, str]:
        return "update", 'str(before["id"])', values

    def changed(self) -> Body:
        return Body(
            f"records, options, {self.make}, field, value",
            [
                f"before, other = {self.make}(), {self.make}()",
                "",
                f"(after,) = {self.records(*self.update('*options({field: value})'))}",
                "",
                "assert after == {**before, field: value}",
                f"assert {self.records('list')} == [after, other]",
            ],
        )

    def wrong_changes(self) -> list[str]:
        given = self.resource.given
        return pairs(given, {field.name: self.faults(field)[:1] for field in given})

    def change_refused(self) -> Body:
        return Body(
            f"run, records, options, {self.make}, field, value",
            [
                f"before = {self.make}()",
                "",
                self.run(*self.update("*options({field: value})")),
                "",
                *_REFUSED,
                f"assert {self.show('before')} == [before]",
            ],
        )

    def emptied(self) -> Body:
        return Body(
            f"records, {self.make}, field",
            [
                f"before = {self.make}()",
                "",
                f"(after,) = {self.records(*self.update(literal('--clear')), 'field')}",
                "",
                "assert after == {**before, field: None}",
            ],
        )

    def change_duplicate(self) -> Body:
        return Body(
            f"run, records, options, {self.make}, field",
            [
                f"first, before = {self.make}(), {self.make}()",
                "",
                self.run(*self.update("*options({field: first[field]})")),
                "",
                "assert result.code == 1",
                f"assert {self.show('before')} == [before]",
            ],
        )

    def one_step(self) -> Body:
        lines = [f"before = {self.make}()", 'path = tmp_path / "test.db"', "", *one_step(self.resource)]
        return Body(f"tmp_path, {self.make}", lines, one_step_uses(self.resource, self.design.module))

    def missing(self, function: str, verb: str, operation: str) -> Case:
        lines = [
            self.run(verb, literal("999")),
            "",
            "assert result.code == 1",
            f'assert result.errors == "error: there is no {self.resource.noun} 999\\n"',
            'assert result.output == ""',
        ]
        title = "An unknown id is told as such"
        return self.case(f"{function}_that_does_not_exist", title, Body("run", lines), [operation], kind="error")

    def deleted(self) -> Body:
        return Body(
            f"records, {self.make}",
            [
                f"first, second = {self.make}(), {self.make}()",
                "",
                self.records("delete", 'str(first["id"])'),
                "",
                f"assert {self.records('list')} == [second]",
            ],
        )

    def in_use(self, child: str, field: str) -> Body:
        return Body(
            fixtures("run", "records", self.make, child),
            [
                f"made = {self.make}()",
                f'{child}({field}=made["id"])',
                "",
                self.run("delete", 'str(made["id"])'),
                "",
                "assert result.code == 1",
                'assert "still referred to" in result.errors',
                f"assert {self.show('made')} == [made]",
            ],
        )

    def exporting(self, name: str) -> Case:
        check = ["assert json.loads(result.output) == made"]
        if name == "csv":
            check = [*self.csv_check("result.output"), "assert list(rows[0]) == columns"]
        lines = [
            f"made = [{self.make}(), {self.make}()]",
            f'output = tmp_path / "export.{name}"',
            "",
            self.run("export", literal(name)),
            f'to_file = run({self.words("export")}, "{name}", f"--output={{output}}")',
            "",
            *check,
            'assert (to_file.code, to_file.output) == (0, "")',
            'assert output.read_text(encoding="utf-8") == result.output',
        ]
        title = f"All {self.resource.nouns} can be had as {name.upper()}, printed or in a file"
        body = Body(f"run, tmp_path, {self.make}", lines)
        return self.case(f"test_export_{self.plural}_as_{name}", title, body, ["export"])

    def walked(self) -> list[str]:
        step = f'    (record,) = records({literal(self.resource.segment)}, step, str(record["id"]))'
        return [f"record = {self.make}()", "for step in steps:", step]

    def one_moved(self, move: Transition) -> str:
        record = f'str({self.make}()["id"])'
        return f"{self.records(move.verb, record)}[0]"

    def moved(self, move: Transition, walk: Sequence[str], *, allowed: bool) -> Body:
        checks = ["assert result.code == 1", f'assert "{move.field}" in result.errors']
        outcome = "[record]"
        if allowed:
            checks = ["assert result.code == 0"]
            outcome = f'[{{**record, "{move.field}": {literal(move.to)}}}]'
        return Body(
            f"run, records, {self.make}",
            [
                *walk,
                "",
                self.run(move.verb, 'str(record["id"])'),
                "",
                *checks,
                f"assert {self.show('record')} == {outcome}",
            ],
        )
