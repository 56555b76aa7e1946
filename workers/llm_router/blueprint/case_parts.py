"""Pieces of test functions that all kinds of package share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contracts.artifacts import Field

from .text import literal


def parametrized(parameters: str, values: Sequence[str]) -> list[str]:
    listed = parameters.split(", ")
    shown = literal(listed[0]) if len(listed) == 1 else literal(tuple(listed))
    one_line = f"@pytest.mark.parametrize({shown}, [{', '.join(values)}])"
    if len(one_line) <= 100:
        return [one_line]
    return ["@pytest.mark.parametrize(", f"    {shown},", "    [", *(f"        {v}," for v in values), "    ],", ")"]


def pairs(fields: Iterable[Field], values: dict[str, list[str]]) -> list[str]:
    return [f"({literal(field.name)}, {value})" for field in fields for value in values[field.name]]


def field_keys(fields: Iterable[Field]) -> list[str]:
    return [f"field {field.name}" for field in fields]
