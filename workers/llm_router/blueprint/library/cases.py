"""How the test cases of one store of a library are written."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts import Field
from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.cases.parts import pairs
from workers.llm_router.blueprint.cases.writer import Body, Writer, fixtures
from workers.llm_router.blueprint.design import Design, Resource, Transition, initial, optional
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.records.models import default_of, has_default
from workers.llm_router.blueprint.text import call, literal

from .values import faults, rising, shown_value


class StoreWriter(Writer):
    """Calls of a store's methods."""

    create_verb = "add"
    list_verb = "find"
    id_of = ".id"
    delete_title = "A deleted {} is gone, the others stay, and its id is not used again"

    def __init__(self, resource: Resource, design: Design) -> None:
        super().__init__(resource, design)
        self.store = f"database.{names.variable(resource.plural)}"
        self.values = f"{self.snake}_values"

    @property
    def filled(self) -> list[Field]:
        return [field for field in self.resource.fields if has_default(field, self.resource)]

    def value(self, field: Field, number: int) -> str:
        return shown_value(field, number)

    def faults(self, field: Field) -> list[str]:
        return faults(field)

    def offered(self, name: str) -> tuple[tuple[str, str], ...]:
        return ((self.design.module, name),)

    def raising(self, parameters: str, before: Sequence[str], error: str, match: str, then: Sequence[str]) -> Body:
        """`then`: the call that raises, and what holds afterwards."""
        raised, *after = then
        lines = [*before, f"with pytest.raises({error}{f', match={match}' if match else ''}):", f"    {raised}", *after]
        return Body(fixtures("database", *parameters.split(", ")), lines, self.offered(error))

    def created(self) -> Body:
        return Body(
            f"database, {self.values}",
            [
                f"values = {self.values}()",
                "",
                f"added = {self.store}.add(**values)",
                "",
                "assert added.id == 1",
                "assert {name: getattr(added, name) for name in values} == values",
                f"assert {self.store}.get(1) == added",
                f"assert 1 in {self.store}",
                f"assert len({self.store}) == 1",
            ],
        )

    def left_out(self) -> Body:
        checks = [(f"added.{field.name}", default_of(field, self.resource)) for field in self.filled]
        return Body(
            f"database, {self.values}",
            [
                f"values = {self.values}()",
                *self.removal("values"),
                "",
                f"added = {self.store}.add(**values)",
                "",
                *(f"assert {name} {'is' if v in ('None', 'True', 'False') else '=='} {v}" for name, v in checks),
            ],
        )

    def refused(self) -> Body:
        return Body(
            f"database, {self.make}, field, value",
            [
                "with pytest.raises(InvalidValue) as caught:",
                f"    {self.make}(**{{field: value}})",
                "",
                "assert caught.value.field == field",
                'assert str(caught.value).startswith(f"{field} must be") or "must have" in str(caught.value)',
                f"assert len({self.store}) == 0",
            ],
            self.offered("InvalidValue"),
        )

    def accepted(self) -> Body:
        check = f"assert getattr({self.make}(**{{field: value}}), field) == value"
        return Body(f"{self.make}, field, value", [check])

    def duplicate(self) -> Body:
        return self.raising(
            f"{self.make}, field",
            [f"first = {self.make}()", ""],
            "Conflict",
            'f"{field} is already in use"',
            [f"{self.make}(**{{field: getattr(first, field)}})", "", f"assert {self.store}.find() == [first]"],
        )

    def unknown_reference(self) -> Body:
        then = [f"{self.make}(**{{field: 999}})", "", f"assert len({self.store}) == 0"]
        return self.raising(f"{self.make}, field", [], "UnknownReference", "field", then)

    def referring(self, field: Field, parent: str) -> Body:
        check = f"assert {self.make}({field.name}=parent.id).{field.name} == parent.id"
        return Body(fixtures(parent, self.make), [f"parent = {parent}()", "", check])

    def reading(self) -> list[Case]:
        body = self.raising("", [], "NotFound", f'"there is no {self.resource.noun} 999"', [f"{self.store}.get(999)"])
        name = f"test_get_{self.snake}_that_does_not_exist"
        return [self.case(name, "An unknown id is told as such", body, ["read"], kind="error")]

    def listing(self) -> list[Case]:
        lines = [
            f"assert {self.store}.find() == []",
            f"made = [{self.make}() for _ in range(3)]",
            "",
            f"assert {self.store}.find() == made",
        ]
        title = f"All {self.resource.nouns} are given, oldest first"
        return [self.case(f"test_find_all_{self.plural}", title, Body(f"database, {self.make}", lines), ["list"])]

    def narrowed(self, field: Field, made: Sequence[str], parents: Sequence[str]) -> Body:
        check = f"assert {self.store}.find({field.name}=wanted.{field.name}) == [wanted]"
        return Body(fixtures("database", self.make, *parents), [*made, "", check])

    def ranged(self, field: Field) -> Body:
        empty = [f"{self.make}({field.name}=None)"] if optional(field) else []
        return Body(
            f"database, {self.make}",
            [
                *call("values = [", rising(field), "]"),
                f"low, middle, high = ({self.make}({field.name}=value) for value in values)",
                *empty,
                "",
                f"assert {self.store}.find({field.name}_min=values[1]) == [middle, high]",
                f"assert {self.store}.find({field.name}_max=values[1]) == [low, middle]",
            ],
        )

    def found(self) -> Body:
        return Body(
            f"database, {self.make}, field, value, asked",
            [
                f"{self.make}()",
                f"wanted = {self.make}(**{{field: value}})",
                "",
                f"assert {self.store}.search(asked) == [wanted]",
                f'assert {self.store}.search("%") == []',
            ],
        )

    def changed(self) -> Body:
        return Body(
            f"database, {self.make}, field, value",
            [
                f"before, other = {self.make}(), {self.make}()",
                "",
                f"after = {self.store}.update(before.id, **{{field: value}})",
                "",
                "assert after == dataclasses.replace(before, **{field: value})",
                f"assert {self.store}.find() == [after, other]",
            ],
        )

    def wrong_changes(self) -> list[str]:
        given = self.resource.given
        locked = ['("id", 7)', *(f"({literal(f.name)}, {literal(initial(f))})" for f in self.resource.managed)]
        return [*pairs(given, {f.name: faults(f)[:1] for f in given}), *locked]

    def change_refused(self) -> Body:
        return self.raising(
            f"{self.make}, field, value",
            [f"before = {self.make}()", ""],
            "InvalidValue",
            "field",
            [
                f"{self.store}.update(before.id, **{{field: value}})",
                "",
                f"assert {self.store}.get(before.id) == before",
            ],
        )

    def emptied(self) -> Body:
        emptied = f"{self.store}.update({self.make}().id, **{{field: None}})"
        return Body(f"database, {self.make}, field", [f"assert getattr({emptied}, field) is None"])

    def change_duplicate(self) -> Body:
        return self.raising(
            f"{self.make}, field",
            [f"first, second = {self.make}(), {self.make}()", ""],
            "Conflict",
            "",
            [
                f"{self.store}.update(second.id, **{{field: getattr(first, field)}})",
                "",
                f"assert {self.store}.get(second.id) == second",
            ],
        )

    def missing(self, function: str, verb: str, operation: str) -> Case:
        body = self.raising("", [], "NotFound", "", [f"{self.store}.{names.variable(verb)}(999)"])
        title = "An unknown id is told as such"
        return self.case(f"{function}_that_does_not_exist", title, body, [operation], kind="error")

    def deleted(self) -> Body:
        return Body(
            f"database, {self.make}",
            [
                f"first, second = {self.make}(), {self.make}()",
                "",
                f"{self.store}.delete(second.id)",
                "",
                f"assert {self.store}.find() == [first]",
                f"assert {self.make}().id == second.id + 1",
            ],
        )

    def in_use(self, child: str, field: str) -> Body:
        return self.raising(
            fixtures(self.make, child),
            [f"made = {self.make}()", f"{child}({field}=made.id)", ""],
            "Conflict",
            '"still referred to"',
            [f"{self.store}.delete(made.id)", "", f"assert {self.store}.get(made.id) == made"],
        )

    def exporting(self, name: str) -> Case:
        columns = ["id", *(field.name for field in self.resource.fields)]
        read, shown = "json.loads({})", "value.isoformat() if isinstance(value, datetime.date) else value"
        keys, expected = "sorted(row)", sorted(columns)
        if name == "csv":
            read, keys, expected = "list(csv.DictReader(io.StringIO({})))", "list(row)", columns
            # str() of a date is its ISO form, of a time it is not.
            dated = any(field.type == "datetime" for field in self.resource.fields)
            shown = "value.isoformat() if isinstance(value, datetime.date) else str(value)" if dated else "str(value)"
            shown = f'"" if value is None else {shown}'
        lines = [
            f"made = [{self.make}(), {self.make}()]",
            "",
            f"rows = {read.format(f'{self.store}.to_{name}()')}",
            "",
            *call("columns = [", map(literal, expected), "]"),
            f"assert [{keys} for row in rows] == [columns, columns]",
            "for row, record in zip(rows, made, strict=True):",
            "    values = {name: getattr(record, name) for name in columns}",
            "    assert row == {",
            f"        name: {shown}",
            "        for name, value in values.items()",
            "    }",
        ]
        title = f"All {self.resource.nouns} can be had as {name.upper()} text"
        body = Body(f"database, {self.make}", lines)
        return self.case(f"test_export_{self.plural}_as_{name}", title, body, ["export"])

    def step(self, verb: str) -> str:
        return names.variable(verb)

    def walked(self) -> list[str]:
        step = f"    record = getattr({self.store}, step)(record.id)"
        return [f"record = {self.make}()", "for step in steps:", step]

    def one_moved(self, move: Transition) -> str:
        return f"{self.store}.{names.variable(move.verb)}({self.make}().id)"

    def moved(self, move: Transition, walk: Sequence[str], *, allowed: bool) -> Body:
        call_ = f"{self.store}.{names.variable(move.verb)}(record.id)"
        if not allowed:
            then = [call_, "", f"assert {self.store}.get(record.id) == record"]
            return self.raising(self.make, [*walk, ""], "Conflict", f'"{move.field}"', then)
        return Body(
            f"database, {self.make}",
            [
                *walk,
                "",
                f"moved = {call_}",
                "",
                f"assert moved == dataclasses.replace(record, {move.field}={literal(move.to)})",
                f"assert {self.store}.get(record.id) == moved",
            ],
        )
