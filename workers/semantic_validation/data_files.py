"""TOML and JSON files are read by the parsers that will read them later."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from contracts.artifacts import File, Finding, SourceTree

_LINE = re.compile(r"\bline (\d+)")


def _toml(text: str) -> Any:
    return tomllib.loads(text)


READERS: dict[str, Callable[[str], Any]] = {".toml": _toml, ".json": json.loads}


def findings(tree: SourceTree) -> list[Finding]:
    return [finding for file in tree.files for finding in _read(file)]


def suffix(path: str) -> str:
    """The reader's key: '' for a file that none of them reads."""
    return next((ending for ending in READERS if path.lower().endswith(ending)), "")


def _read(file: File) -> list[Finding]:
    reader = READERS.get(suffix(file.path))
    if reader is None:
        return []
    try:
        reader(file.text)
    except (ValueError, RecursionError) as error:
        line = _LINE.search(str(error))
        message = f"can't be read: {error}"[:200]
        return [Finding(rule="syntax", message=message, path=file.path, line=int(line[1]) if line else 0)]
    return []
