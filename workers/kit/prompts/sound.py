"""Whether a text is plainly what a file's name promises; only asked where the form of an answer leaves it open."""

from __future__ import annotations

import ast
import tomllib
import warnings

import msgspec

from workers.kit.parsing.alone import SYNTAX_TREES

MOST = 256 * 1024
"""Characters of a text that are looked at here: it is done where others wait."""

_TELLING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)


def can_tell(path: str) -> bool:
    """Whether there is a way to know."""
    return path.rpartition(".")[2] in {"py", "json", "toml"}


def is_plainly(path: str, text: str) -> bool:
    """A single word of prose is a Python program too: some statement that tells is asked for."""
    if len(text) > MOST:
        return False
    match path.rpartition(".")[2]:
        case "py":
            return any(isinstance(node, _TELLING) for node in _statements(text))
        case "json":
            return _is_json(text)
        case "toml":
            return _is_toml(text)
        case _:
            return False


def _statements(text: str) -> list[ast.stmt]:
    try:
        with SYNTAX_TREES, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


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
