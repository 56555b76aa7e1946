"""Names in generated code: from entity and field names to classes, variables, paths and words."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import sys

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_BUILTINS = frozenset(dir(builtins))
_TAKEN_MODULES = frozenset(sys.stdlib_module_names) | {
    "fastapi", "pydantic", "starlette", "uvicorn", "httpx", "httpx2", "pytest", "coverage", "hatchling", "tests",
}  # fmt: skip


def words(name: str) -> str:
    """`OrderItem` and `order_item` as "order item"."""
    return " ".join(_WORD.findall(name)).lower()


def snake(name: str) -> str:
    return words(name).replace(" ", "_")


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in _WORD.findall(name))


def segment(name: str) -> str:
    """As a part of a URL or a command: `order-items`."""
    return words(name).replace(" ", "-")


def variable(name: str) -> str:
    """A local name that hides no keyword and no builtin."""
    return f"{name}_" if keyword.iskeyword(name) or name in _BUILTINS else name


def is_reserved(name: str) -> bool:
    return keyword.iskeyword(name) or name in _BUILTINS


def module(slug: str) -> str:
    """The import name of a package called `slug`, never one that is already taken."""
    name = re.sub(r"[^a-z0-9]+", "_", slug.lower()).strip("_") or "package"
    if name[0].isdigit():
        name = f"app_{name}"
    return f"{name}_app" if name in _TAKEN_MODULES or is_reserved(name) else name


def article(noun: str) -> str:
    """ "a book", "an author"."""
    return f"{'an' if noun[:1] in 'aeio' else 'a'} {noun}"


def listing(items: list[str] | tuple[str, ...], last: str = "and") -> str:
    """ "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def short(name: str, limit: int = 60) -> str:
    """At most `limit` letters; a longer name ends with a digest of all of it, so that two stay two."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 7].rstrip('_')}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
