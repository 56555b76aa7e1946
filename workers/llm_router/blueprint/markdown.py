"""Free text in Markdown."""

from __future__ import annotations

from .text import plain


def shown(text: str) -> str:
    """Free text as Markdown that means nothing but itself."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!~" else c for c in plain(text))


def code(text: str) -> str:
    """Free text as inline code."""
    clean = plain(text)
    return f"`{clean}`" if "`" not in clean else shown(clean)
