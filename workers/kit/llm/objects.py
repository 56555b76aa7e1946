"""JSON objects in a text: what a model says around them is passed over, what is wrong inside of them is not mended."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_MOST_BRACES = 20
"""Braces of prose that may be passed over: each one takes a look at the rest of the text."""


def objects(text: str) -> Iterator[str]:
    """Each stretch from an outermost `{` to the `}` that ends it."""
    start = text.find("{")
    for _ in range(_MOST_BRACES):
        while start >= 0 and (end := _end(text, start)):
            yield text[start:end]
            start = text.find("{", end)
        if start < 0:
            return
        start = text.find("{", start + 1)


def is_cut(text: str) -> bool:
    """Whether the text ends inside its first object."""
    start = text.find("{")
    return start >= 0 and _fault(text[start:]) == "Input data was truncated" and not _end(text, start)


def is_whole(text: str) -> bool:
    """Whether the text is one object and nothing else, except for fences."""
    stripped = text.strip("`~ \t\r\n")
    return stripped.startswith("{") and not _fault(stripped)


def _fault(text: str) -> str:
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return str(error) or type(error).__name__
    return ""


def _end(text: str, start: int) -> int:
    """Behind the brace that ends the object; 0 where none does."""
    depth, quoted, skip = 0, False, False
    for place in range(start, len(text)):
        letter = text[place]
        if skip:
            skip = False
        elif quoted:
            skip, quoted = letter == "\\", letter != '"'
        elif letter == '"':
            quoted = True
        elif letter == "{":
            depth += 1
        elif letter == "}":
            depth -= 1
            if not depth:
                return place + 1
    return 0
