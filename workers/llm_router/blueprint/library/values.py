"""Test values as a library takes them: dates as dates, not as texts."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import samples
from workers.llm_router.blueprint.text import literal


def shown_value(field: Field, number: int = 1) -> str:
    return _dated(field, literal(samples.value(field, number)))


def shown_numbered(field: Field, var: str = "number") -> str:
    if field.type == "date":
        return f"datetime.date(2024, 1, {var})"
    if field.type == "datetime":
        return f"datetime.datetime(2024, 1, {var}, 9)"
    return samples.numbered(field, var)


def rising(field: Field) -> list[str]:
    return [_dated(field, shown) for shown in samples.rising(field)]


def faults(field: Field) -> list[str]:
    """Values that are refused, of the right type and of another."""
    match field.type:
        case "date":
            return ['"2024-01-01"', "datetime.datetime(2024, 1, 1)"]
        case "datetime":
            return ['"2024-01-01T09:00:00"', "datetime.date(2024, 1, 1)"]
        case "reference":
            return ["0", '"first"', "True"]
        case "integer":
            return [*samples.faults(field), "1.5", "True"]
        case "number":
            return [*samples.faults(field), 'float("nan")', "True"]
        case _:
            return samples.faults(field)


def _dated(field: Field, shown: str) -> str:
    if field.type not in ("date", "datetime"):
        return shown
    return f"datetime.{field.type}.fromisoformat({shown})"
