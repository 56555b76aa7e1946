"""Front matter: lines `key: value` or `key: [a, b]` between two lines `---` at the head of a file, then its text.

No YAML: a value is text or a list of texts, nothing is nested, and whatever else stands there is a mistake.
"""

from __future__ import annotations

import re

_LINE = re.compile(r"([a-z][a-z_]*): (\S.*)")
_LIST = re.compile(r"\[(.*)\]")
_FENCE = "---\n"


class BadPrompt(ValueError):
    """A file of prompts is not as it has to be; the message names it."""


Front = dict[str, str | list[str]]


def read(name: str, raw: str) -> tuple[Front, str]:
    """What stands at the head of `raw`, and the text below; raises `BadPrompt`."""
    if not raw.startswith(_FENCE):
        raise BadPrompt(f"{name} does not begin with a line '---'")
    head, closed, text = raw.removeprefix(_FENCE).partition(f"\n{_FENCE}")
    if not closed:
        raise BadPrompt(f"{name}: its front matter has no end")
    front: Front = {}
    for line in head.split("\n"):
        matched = _LINE.fullmatch(line)
        if matched is None:
            raise BadPrompt(f"{name}: {line[:80]!a} is not 'key: value'")
        key, value = matched[1], matched[2].rstrip()
        if key in front:
            raise BadPrompt(f"{name} says {key} twice")
        front[key] = _value(name, value)
    if not text.strip():
        raise BadPrompt(f"{name} holds no text")
    return front, text.strip()


def _value(name: str, value: str) -> str | list[str]:
    listed = _LIST.fullmatch(value)
    if listed is None:
        return value
    items = [item.strip() for item in listed[1].split(",")] if listed[1].strip() else []
    if not all(items) or len(set(items)) < len(items):
        raise BadPrompt(f"{name}: {value[:80]!a} holds an empty item, or one twice")
    return items
