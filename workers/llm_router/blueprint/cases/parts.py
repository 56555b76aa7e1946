"""Pieces of test functions that all kinds of package share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, samples
from workers.llm_router.blueprint.design import Resource
from workers.llm_router.blueprint.text import Module, docstring, literal


def parametrized(parameters: str, values: Sequence[str]) -> list[str]:
    listed = parameters.split(", ")
    shown = literal(listed[0]) if len(listed) == 1 else literal(tuple(listed))
    one_line = f"@pytest.mark.parametrize({shown}, [{', '.join(values)}])"
    if len(one_line) <= 100:
        return [one_line]
    return ["@pytest.mark.parametrize(", f"    {shown},", "    [", *(f"        {v}," for v in values), "    ],", ")"]


def pairs(fields: Iterable[Field], values: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"({literal(field.name)}, {value})" for field in fields for value in values[field.name]]


def field_keys(fields: Iterable[Field]) -> list[str]:
    return [f"field {field.name}" for field in fields]


def taken(resource: Resource) -> list[Field]:
    """The fields that a second record could have the value of, and must not."""
    return [f for f in resource.uniques if f in resource.given and (f.type != "reference" or f.required)]


def values_fixture(
    resource: Resource, module: Module, *, inner: str, doc: str, shown: Callable[[Field], str], id_of: str
) -> list[str]:
    """A fixture that makes valid values, without optional references; `id_of` gets the id of a made parent.

    Records share their parents, but for references that must be unique.
    """
    inside = [field for field in resource.given if field.type != "reference" or field.required]
    parents = {f.name: f"make_{names.snake(f.references)}(){id_of}" for f in inside if f.type == "reference"}
    needs = dict.fromkeys(expression.partition("(")[0] for expression in parents.values())
    shared = [field.name for field in inside if field.name in parents and not field.unique]
    counted = any(field.unique and field.name not in parents for field in inside)
    lines = [
        "@pytest.fixture",
        f"def {names.snake(resource.name)}_{inner}({', '.join(needs)}):",
        *docstring(f"{doc}{'; what must be unique differs each time' if counted else ''}.", 4),
        *(f"    {name} = {parents[name]}" for name in shared),
    ]
    if counted:
        module.use("itertools", "count")
        lines.append("    numbers = count(1)")
    lines += ["", f"    def {inner}(**changes):", *(["        number = next(numbers)"] if counted else [])]
    lines.append("        return {")
    for field in inside:
        value = field.name if field.name in shared else parents.get(field.name) or shown(field)
        lines.append(f"            {literal(field.name)}: {value},")
    return [*lines, "            **changes,", "        }", "", f"    return {inner}"]


def one_step(resource: Resource) -> list[str]:
    """Nobody can write between the reading and the writing of a change to the record `before`."""
    return [
        "with closing(connect(path)) as own, closing(connect(path)) as other:",
        '    other.execute("PRAGMA busy_timeout = 0")',
        "",
        f"    class Watched({resource.name}Repository):",
        "        def get(self, record_id):",
        '            with pytest.raises(sqlite3.OperationalError, match="locked"):',
        f"""                other.execute('DELETE FROM "{resource.plural}"')""",  # noqa: S608 - text of a generated test
        "            return super().get(record_id)",
        "",
        '    changed = Watched(own).update(before["id"], {})',
        "",
        'assert changed.id == before["id"]',
    ]


def one_step_uses(resource: Resource, package: str) -> tuple[tuple[str, str], ...]:
    return (
        ("sqlite3", ""),
        ("contextlib", "closing"),
        (f"{package}.database", "connect"),
        (f"{package}.repositories.{resource.plural}", f"{resource.name}Repository"),
    )


def json_value(field: Field) -> str:
    """A valid value as JSON has it; an expression in `number` where it must be unique."""
    return samples.numbered(field) if field.unique else literal(samples.value(field))
