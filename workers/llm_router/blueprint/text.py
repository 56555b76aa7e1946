"""Python source, built line by line: safe literals, wrapped calls, modules with their imports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WIDTH = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def plain(text: str) -> str:
    """Free text as one line without control characters."""
    return " ".join(_CONTROL.sub(" ", text).split())


def literal(value: object) -> str:
    """The value as a Python literal, strings in double quotes where that needs no more escapes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    shown = repr(value)
    if isinstance(value, str) and shown[0] == "'" and '"' not in shown:
        return '"' + shown[1:-1] + '"'
    return shown


def docstring(text: str, indent: int = 0) -> list[str]:
    """A docstring, wrapped; the text can't end it."""
    clean = plain(text).replace("\\", "\\\\").replace('"""', "'''")
    if clean.endswith('"'):
        clean += " "
    if indent + len(clean) + 6 <= WIDTH:
        return [" " * indent + f'"""{clean}"""']
    first, *rest = wrap(clean, WIDTH - indent - 6)
    pad = " " * indent
    return [f'{pad}"""{first}', *(pad + line for line in rest), f'{pad}"""']


def triple(text: str) -> str:
    """Text for the inside of a triple-quoted string."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return _CONTROL.sub(lambda run: "".join(c if c == "\n" else repr(c)[1:-1] for c in run[0]), escaped)


def wrap(text: str, width: int = WIDTH) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def call(head: str, items: Iterable[str], tail: str, indent: int = 0) -> list[str]:
    """`head item, item tail` on one line, or with one item a line where it would be too long."""
    parts = list(items)
    pad = " " * indent
    line = f"{pad}{head}{', '.join(parts)}{tail}"
    if len(line) <= WIDTH or not parts:
        return [line]
    joined = f"{pad}    {', '.join(parts)}"
    if len(joined) <= WIDTH and head.endswith("("):
        return [f"{pad}{head}", joined, f"{pad}{tail}"]
    return [f"{pad}{head}", *(f"{pad}    {part}," for part in parts), f"{pad}{tail}"]


def indented(lines: Iterable[str], by: int = 4) -> list[str]:
    return [" " * by + line if line else "" for line in lines]


class Module:
    """One Python module in the making: `use` and `load` note its imports, `add` a top-level block."""

    def __init__(self, doc: str, package: str = "") -> None:
        self._doc = doc
        self._package = package
        self._names: dict[str, set[str]] = {}
        self._modules: set[str] = set()
        self._blocks: list[list[str]] = []

    def use(self, module: str, *names: str) -> None:
        """`from module import names`."""
        self._names.setdefault(module, set()).update(names)

    def load(self, module: str) -> None:
        """`import module`."""
        self._modules.add(module)

    def add(self, *lines: str | Sequence[str], together: bool = False) -> None:
        """A block; `together`: in one paragraph with the block before."""
        flat = [part for line in lines for part in ([line] if isinstance(line, str) else line)]
        if together and self._blocks:
            self._blocks[-1].extend(flat)
        else:
            self._blocks.append(flat)

    def __str__(self) -> str:
        parts = ["\n".join(docstring(self._doc))]
        imports = self._imports()
        if imports:
            parts.append(imports)
        head = "\n\n".join(parts)
        body = ""
        for block in self._blocks:
            space = "\n\n\n" if _is_definition(block) or body.endswith("\n#def") else "\n\n"
            body = body.removesuffix("\n#def") + space + "\n".join(block)
            body += "\n#def" if _is_definition(block) else ""
        return head + body.removesuffix("\n#def") + "\n"

    def _imports(self) -> str:
        groups: dict[int, list[tuple[int, str, str]]] = {}
        for module in self._modules:
            groups.setdefault(self._group(module), []).append((0, module, f"import {module}"))
        for module, names in self._names.items():
            lines = call(f"from {module} import (", sorted(names, key=_import_order), ")")
            if len(lines) == 1:
                lines = [lines[0].replace("import (", "import ").removesuffix(")")]
            elif len(lines) == 3:
                lines = [lines[0], *(f"    {name}," for name in sorted(names, key=_import_order)), ")"]
            groups.setdefault(self._group(module), []).append((1, module, "\n".join(lines)))
        return "\n\n".join("\n".join(line for _, _, line in sorted(groups[key])) for key in sorted(groups))

    def _group(self, module: str) -> int:
        top = module.split(".")[0]
        if top == "__future__":
            return 0
        if top == self._package or not top:
            return 3
        return 2 if top in _THIRD_PARTY else 1


_THIRD_PARTY = frozenset({"fastapi", "pydantic", "uvicorn", "pytest"})


def _is_definition(block: Sequence[str]) -> bool:
    return block[0].startswith(("def ", "class ", "@", "async def "))


def _import_order(name: str) -> tuple[int, str]:
    """isort's: constants, then classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)
