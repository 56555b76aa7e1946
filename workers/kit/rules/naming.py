"""Names, ids and texts from a model. They become identifiers, folders and command words, so little is allowed."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable

from workers.kit.stage import Unfit

_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SNAKE = re.compile(r"[a-z][a-z0-9_]*")
_CAMEL = re.compile(r"[A-Z][A-Za-z0-9]*")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
MAX_NAME = 60


def shown(text: str) -> str:
    """A model's text as it may stand in a sentence: short, quoted, plain ASCII."""
    return ascii(text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}...")


def slug(what: str, name: str) -> None:
    """kebab-case, such as `book-shelf`."""
    _named(what, name, _SLUG, "a lower-case slug such as 'book-shelf'")


def snake(what: str, name: str) -> None:
    """A Python name in snake_case, no keyword."""
    _named(what, name, _SNAKE, "a Python name in snake_case")


def camel(what: str, name: str) -> None:
    """A Python class name in CamelCase."""
    _named(what, name, _CAMEL, "a Python name in CamelCase")


def symbol(what: str, name: str) -> None:
    """Any Python name that is no keyword."""
    _named(what, name, _SYMBOL, "a Python name")


def _named(what: str, name: str, form: re.Pattern[str], wanted: str) -> None:
    if not form.fullmatch(name) or len(name) > MAX_NAME or keyword.iskeyword(name) or name == "__debug__":
        raise Unfit(f"the {what} {shown(name)} is not {wanted} of at most {MAX_NAME} letters")


def text(what: str, value: str, limit: int = 4000) -> None:
    """Something to read: not empty, not endless, no control characters."""
    if not value.strip():
        raise Unfit(f"the {what} is empty")
    if len(value) > limit:
        raise Unfit(f"the {what} has more than {limit} characters: {shown(value)}")
    if bad := _NOT_TEXT.search(value):
        raise Unfit(f"the {what} holds the character U+{ord(bad[0]):04X}: {shown(value)}")


def line(what: str, value: str, limit: int = 200) -> None:
    """A text on one line."""
    text(what, value, limit)
    if "\n" in value:
        raise Unfit(f"the {what} has more than one line: {shown(value)}")


def distinct(what: str, names: Iterable[str]) -> None:
    """No two alike, also when only their case differs."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise Unfit(f"two {what} are called {shown(name)}")
        seen.add(name.casefold())


def ids(what: str, letter: str, given: Iterable[str]) -> None:
    """Numbered <letter>-001…, each once."""
    form = re.compile(rf"{letter}-[0-9]{{3,6}}")
    listed = tuple(given)
    for name in listed:
        if not form.fullmatch(name):
            raise Unfit(f"{shown(name)} is no id for {what}: they are numbered {letter}-001, {letter}-002, ...")
    distinct(what, listed)


def known(what: str, names: Iterable[str], allowed: Collection[str]) -> None:
    """Each of `names` exists."""
    for name in names:
        if name not in allowed:
            raise Unfit(f"{what} names {shown(name)}, which does not exist")


def same(what: str, now: str, before: str) -> None:
    """A fact that an earlier stage settled."""
    if now != before:
        raise Unfit(f"the {what} was settled as {shown(before)} and may not become {shown(now)}")
