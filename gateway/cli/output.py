"""What commands print on stdout: a table for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def plain(text: str) -> str:
    """`text` with whatever a terminal might obey or hide shown as an escape; prompts and errors are others' words."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def as_json(value: Any) -> None:
    """One JSON document, indented on a terminal."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(plain(json.dumps(value, ensure_ascii=False, indent=indent)) + "\n")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, the last one cut to a line."""
    lines = [heads, *rows]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(heads) - 1)]
    for line in lines:
        cells = [f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)]
        last = " ".join(str(line[-1]).split())
        sys.stdout.write(plain("  ".join([*cells, last if len(last) <= 72 else last[:71] + "…"]).rstrip()) + "\n")
