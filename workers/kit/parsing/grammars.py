"""Grammars from the one shared library of tree_sitter_languages; each is a table in it, looked up when first needed.

The wheel's own `get_language` calls a deprecated constructor and warns each time, so the pointers are taken directly.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path

from tree_sitter import Language, Parser, Tree

TIMEOUT_MICROS = 5_000_000


@functools.cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("tree_sitter_languages")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("tree_sitter_languages is not installed")
    return ctypes.CDLL(str(next(Path(spec.origin).parent.glob("languages.*"))))


@functools.cache
def _grammar(language: str) -> Language:
    pointer = getattr(_library(), f"tree_sitter_{language}")
    pointer.restype = ctypes.c_void_p
    return Language(pointer(), language)


def parse(language: str, source: bytes) -> Tree:
    """The tree; raises `ValueError` after five seconds. A parser may not be shared by threads, so each call has one."""
    parser = Parser()
    parser.set_language(_grammar(language))
    parser.set_timeout_micros(TIMEOUT_MICROS)
    return parser.parse(source)
