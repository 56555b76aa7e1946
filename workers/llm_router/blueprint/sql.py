"""SQLite's language for a resource: the table, and statements that are constants with named parameters."""

from __future__ import annotations

import re

from contracts.artifacts import Field

from .design import RANGED, Resource, Transition, initial
from .text import WIDTH, wrap

_TYPES = {"integer": "INTEGER", "boolean": "INTEGER", "reference": "INTEGER", "number": "REAL"}
_CONTROL = re.compile(r"([\x00-\x1f\x7f-\x9f\u2028\u2029]+)")


def quoted(name: str) -> str:
    return f'"{name}"'


def value(item: object) -> str:
    """A literal; control characters as char(), so that a statement stays readable."""
    if isinstance(item, bool):
        return str(int(item))
    if not isinstance(item, str):
        return repr(item)
    parts = [
        f"char({', '.join(str(ord(c)) for c in part)})"
        if _CONTROL.fullmatch(part)
        else "'" + part.replace("'", "''") + "'"
        for part in _CONTROL.split(item)
        if part
    ]
    return " || ".join(parts) if len(parts) > 1 else parts[0] if parts else "''"


def choices(items: tuple[str | bool, ...]) -> str:
    return ", ".join(value(item) for item in items)


def table(resource: Resource, plural_of: dict[str, str]) -> list[str]:
    columns = ['"id" INTEGER PRIMARY KEY AUTOINCREMENT']
    columns += [_column(field, resource, plural_of) for field in resource.fields]
    body = [f"    {column}{',' if n < len(columns) else ''}" for n, column in enumerate(columns, 1)]
    return [f"CREATE TABLE IF NOT EXISTS {quoted(resource.plural)} (", *body, ");"]


def indexes(resource: Resource) -> list[str]:
    """One for each reference: SQLite makes none by itself, and deleting a parent looks there."""
    return [
        f"CREATE INDEX IF NOT EXISTS {quoted(f'{resource.plural}_{field.name}')} "
        f"ON {quoted(resource.plural)} ({quoted(field.name)});"
        for field in resource.references
        if not field.unique
    ]


def insert(resource: Resource) -> list[str]:
    columns = [quoted(field.name) for field in resource.given]
    marks = [f":{field.name}" for field in resource.given]
    if not columns:
        return [f"INSERT INTO {quoted(resource.plural)} DEFAULT VALUES", "RETURNING *"]
    return [
        *_listed(f"INSERT INTO {quoted(resource.plural)} (", columns, ")"),
        *_listed("VALUES (", marks, ")"),
        "RETURNING *",
    ]


def update(resource: Resource) -> list[str]:
    changes = [f"{quoted(field.name)} = :{field.name}" for field in resource.given]
    return [
        f"UPDATE {quoted(resource.plural)}",
        *_joined("SET ", changes, ","),
        'WHERE "id" = :id',
        "RETURNING *",
    ]


def move(resource: Resource, transition: Transition) -> list[str]:
    field = quoted(transition.field)
    allowed = f" AND {field} IN ({choices(transition.sources)})" if transition.sources else ""
    return [
        f"UPDATE {quoted(resource.plural)}",
        f"SET {field} = {value(transition.to)}",
        f'WHERE "id" = :id{allowed}',
        "RETURNING *",
    ]


def filter_names(resource: Resource) -> list[str]:
    """The parameters that `where` knows."""
    found = []
    for field in resource.filters:
        found.append(field.name)
        if field.type in RANGED:
            found += [f"{field.name}_min", f"{field.name}_max"]
    return [*found, *(["q"] if resource.searches else [])]


def where(resource: Resource) -> list[str]:
    """Conditions that hold where their parameter is not given; empty when nothing can be asked for."""
    conditions = []
    for field in resource.filters:
        column = quoted(field.name)
        conditions.append(_unless(field.name, f"{column} = :{field.name}"))
        if field.type in RANGED:
            conditions.append(_unless(f"{field.name}_min", f"{column} >= :{field.name}_min"))
            conditions.append(_unless(f"{field.name}_max", f"{column} <= :{field.name}_max"))
    if resource.searches:
        found = [f"instr(lower({quoted(field.name)}), lower(:q)) > 0" for field in resource.searches]
        conditions.append(_unless("q", "\n    OR ".join(found) if len(found) > 1 else found[0]))
    return _joined("WHERE ", conditions, "", "  AND ") if conditions else []


def _unless(name: str, condition: str) -> str:
    return f"(:{name} IS NULL OR {condition})"


def _listed(head: str, items: list[str], tail: str) -> list[str]:
    inside = ", ".join(items)
    if len(head) + len(inside) + len(tail) <= WIDTH:
        return [f"{head}{inside}{tail}"]
    return [head, *(f"    {line}" for line in wrap(inside, WIDTH - 4)), tail]


def _joined(first: str, items: list[str], end: str, rest: str = "    ") -> list[str]:
    return [f"{first if n == 0 else rest}{item}{end if n + 1 < len(items) else ''}" for n, item in enumerate(items)]


def _column(field: Field, resource: Resource, plural_of: dict[str, str]) -> str:
    parts = [quoted(field.name), _TYPES.get(field.type, "TEXT")]
    if field.required or field.default:
        parts.append("NOT NULL")
    if field in resource.managed:
        parts.append(f"DEFAULT ({value(initial(field))})")
    if field.unique:
        parts.append("UNIQUE")
    check = _check(field)
    if check:
        parts.append(f"CHECK ({check})")
    if field.type == "reference":
        parts.append(f'REFERENCES {quoted(plural_of[field.references])} ("id")')
    return " ".join(parts)


def _check(field: Field) -> str:
    column = quoted(field.name)
    if field.type == "enum":
        return f"{column} IN ({choices(field.choices)})"
    if field.type == "boolean":
        return f"{column} IN (0, 1)"
    subject = f"length({column})" if field.type == "text" else column
    bounds = []
    if field.minimum is not None:
        bounds.append(f"{subject} >= {number(field, field.minimum)}")
    if field.maximum is not None:
        bounds.append(f"{subject} <= {number(field, field.maximum)}")
    return " AND ".join(bounds)


def number(field: Field, bound: float) -> str:
    """A bound as Python and SQL both write it."""
    return repr(int(bound)) if field.type in ("integer", "text") or float(bound).is_integer() else repr(bound)
