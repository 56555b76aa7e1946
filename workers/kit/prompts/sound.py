"""Whether a text is plainly what a file's name promises; only asked where the form of an answer leaves it open."""

from __future__ import annotations

import re
import tomllib
import warnings

import msgspec

MOST = 256 * 1024
"""Characters of a text that are looked at here: it is done where others wait."""

_TELLING = re.compile(r"^(?:(?:async )?def |class |import |from |@\w|\w+(?: ?: ?[^=\n]{1,80})? ?= ?\S)", re.MULTILINE)


def can_tell(path: str) -> bool:
    """Whether there is a way to know."""
    return path.rpartition(".")[2] in {"py", "json", "toml"}


def is_plainly(path: str, text: str) -> bool:
    """A single word of prose is a Python program too: some statement that tells is asked for."""
    if len(text) > MOST:
        return False
    match path.rpartition(".")[2]:
        case "py":
            return _TELLING.search(text) is not None and _is_python(text)
        case "json":
            return _is_json(text)
        case "toml":
            return _is_toml(text)
        case _:
            return False


def _is_python(text: str) -> bool:
    # Compiled, not made a syntax tree: that would have to wait for whoever makes one (see parsing.alone).
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "answer", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _is_json(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict | list)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _is_toml(text: str) -> bool:
    try:
        return bool(tomllib.loads(text))
    except (ValueError, RecursionError):
        return False
