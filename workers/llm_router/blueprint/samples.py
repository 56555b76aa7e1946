"""Values to test with: good ones, ones at the edge, and ones just over it. All are pieces of Python source."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from contracts.artifacts import Field

from . import names
from .design import Resource, Transition, initial
from .text import literal

# Scanners take a quoted word beside such a name for a real secret, unless it is clearly a placeholder.
_SECRET = re.compile(r"pass|secret|token|key|pwd|credential")
NEEDLE = "zYx"


def value(field: Field, number: int = 1) -> object:
    """A valid value in JSON's terms, another one for each `number` as far as the bounds allow."""
    match field.type:
        case "boolean":
            return number % 2 == 1
        case "enum":
            return field.choices[number % len(field.choices)]
        case "date":
            return f"2024-01-{number:02}"
        case "datetime":
            return f"2024-01-{number:02}T09:00:00"
        case "email":
            return f"person{number}@example.com"
        case "url":
            return f"https://example.com/{number}"
        case "integer" | "number":
            return _number(field, number)
        case "reference":
            return number
        case _:
            return _text(field, number)


def numbered(field: Field, var: str = "number") -> str:
    """An expression that gives another valid value for each `var` from 1 on."""
    match field.type:
        case "date":
            return f'f"2024-01-{{{var}:02}}"'
        case "datetime":
            return f'f"2024-01-{{{var}:02}}T09:00:00"'
        case "email":
            return f'f"person{{{var}}}@example.com"'
        case "url":
            return f'f"https://example.com/{{{var}}}"'
        case "integer" | "number":
            start = _number(field, 1)
            return f"{literal(start)} + {var} - 1"
        case _:
            text = _text(field, 1)
            return f'f"{text[:-1]}{{{var}}}"' if text[-1] == "1" and "{" not in text else f'f"{{{var}:0>{len(text)}}}"'


def differing(field: Field, number: int) -> bool:
    """Whether `value` gives that many different ones."""
    return len({literal(value(field, n)) for n in range(1, number + 1)}) == number


def rising(field: Field) -> list[str]:
    """Three values in their order, where the bounds leave room for them."""
    return sorted((literal(value(field, n)) for n in (1, 2, 3)), key=_order)


def _order(shown: str) -> tuple[float, str]:
    return (0.0, shown) if shown.startswith('"') else (float(shown), "")


def edges(field: Field) -> list[str]:
    """Expressions for the first and last values that are allowed."""
    found = []
    if field.type == "text":
        found = [_repeated(bound) for bound in (field.minimum, field.maximum) if bound]
    elif field.type in ("integer", "number"):
        found = [literal(_bound(field, bound)) for bound in (field.minimum, field.maximum) if bound is not None]
    elif field.type == "enum":
        found = [literal(choice) for choice in field.choices]
    elif field.type == "boolean":
        found = ["True", "False"]
    return list(dict.fromkeys(found))


def faults(field: Field) -> list[str]:
    """Expressions for values of the right or another type that are not allowed."""
    match field.type:
        case "text":
            found = [_repeated(field.minimum - 1)] if field.minimum else []
            return found + ([_repeated(field.maximum + 1)] if field.maximum is not None else []) + ["7"]
        case "integer" | "number":
            step = 1 if field.type == "integer" else 0.01
            found = []
            if field.minimum is not None:
                found.append(literal(_rounded(field, field.minimum - step)))
            if field.maximum is not None:
                found.append(literal(_rounded(field, field.maximum + step)))
            return [*found, literal("many")]
        case "boolean":
            return [literal("maybe")]
        case "enum":
            other = "unheard-of"
            while other in field.choices:
                other += "!"
            return [literal(other)]
        case "date":
            return [literal("2024-02-30"), literal("soon")]
        case "datetime":
            return [literal("2024-02-30T09:00:00"), literal("soon")]
        case "email":
            return [literal("person"), literal("a b@example.com")]
        case "url":
            return [literal("example"), literal("ftp://example.com")]
        case _:
            return ["0", literal("first")]


def findable(field: Field) -> str:
    """A value that holds `NEEDLE` in other letters."""
    if field.type == "email":
        return "Zyx@example.com"
    if field.type == "url":
        return "https://zyx.example.com"
    length = max(3, int(field.minimum or 0))
    return "Zyx".ljust(length, "x")[: int(field.maximum or length)]


def needle(field: Field) -> str:
    return NEEDLE[: int(field.maximum)] if field.type == "text" and field.maximum else NEEDLE


def reachable(resource: Resource, name: str) -> Mapping[str | bool, tuple[str, ...]]:
    """For each state of the managed field `name` the shortest way to it from a new record, as verbs."""
    field = next(field for field in resource.fields if field.name == name)
    moves = [transition for transition in resource.transitions if transition.field == name]
    ways: dict[str | bool, tuple[str, ...]] = {initial(field): ()}
    queue = [initial(field)]
    for state in queue:
        for move in moves:
            if move.to not in ways and allows(move, state):
                ways[move.to] = (*ways[state], move.verb)
                queue.append(move.to)
    return ways


def allows(transition: Transition, state: str | bool) -> bool:
    return not transition.sources or state in transition.sources


def _number(field: Field, number: int) -> int | float:
    low = field.minimum
    if low is None:
        low = 0.0 if field.maximum is None or field.maximum >= 20 else field.maximum - 20
    high = math.inf if field.maximum is None else field.maximum
    step = 1 if field.type == "integer" else 0.5
    room = math.floor((high - low) / step) + 1 if math.isfinite(high) else 1000
    return _bound(field, low + step * (number % room))


def _bound(field: Field, bound: float) -> int | float:
    return int(bound) if field.type == "integer" else float(bound)


def _rounded(field: Field, bound: float) -> int | float:
    return int(bound) if field.type == "integer" else round(bound, 6)


def _text(field: Field, number: int) -> str:
    low, high = int(field.minimum or 0), int(field.maximum) if field.maximum is not None else 10**9
    label = "<made up" if _SECRET.search(field.name) else names.words(field.name).capitalize()
    text = f"{label} {number}{'>' if label[0] == '<' else ''}"
    if len(text) > high:
        text = str(number).rjust(min(high, max(low, 2)), "0")[-high:]
    return text.rjust(low, "x") if len(text) < low else text


def _repeated(length: float) -> str:
    return '""' if length < 1 else '"x"' if length == 1 else f'"x" * {int(length)}'
