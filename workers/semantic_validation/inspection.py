"""Runs as a process of its own with only the standard library: compiles hostile Python and looks for empty bodies.

Reads JSON [[path, text], ...] and writes JSON [[path, line, rule, message], ...], one line per file, as it goes: what
kills this process is the file after the last line.
"""

from __future__ import annotations

import ast
import json
import resource
import sys
import warnings
from collections.abc import Iterator

MAX_BYTES = 1 << 20
_MEMORY = 1 << 30
_CPU_S = 30

Told = tuple[int, str, str]
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_OPEN_BASES = frozenset(["Protocol", "ABC", "ABCMeta"])
_OPEN_DECORATORS = frozenset(["abstractmethod", "overload"])


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    for path, text in json.load(sys.stdin):
        sys.stdout.write(json.dumps([path, inspect(path, text)]) + "\n")
        sys.stdout.flush()


def inspect(path: str, text: str) -> list[Told]:
    """(line, rule, message) for everything wrong; nothing of the text is executed."""
    try:
        if len(text.encode()) > MAX_BYTES:
            return [(0, "too-large", f"more than {MAX_BYTES} bytes")]
        tree = ast.parse(text, filename=path)
        compile(tree, path, "exec", dont_inherit=True)
        return sorted(_empty_bodies(tree))
    except SyntaxError as error:
        return [(error.lineno or 0, "compile", f"Python refuses it: {error.msg}")]
    except (RecursionError, MemoryError):
        return [(0, "compile", "nested too deep to be compiled")]
    except ValueError as error:  # null bytes, lone surrogates
        return [(0, "compile", f"Python refuses it: {str(error)[:100]}")]


def _empty_bodies(tree: ast.Module) -> Iterator[Told]:
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, is_open = pending.pop()
        if isinstance(node, ast.ClassDef):
            is_open = any(_name(base) in _OPEN_BASES for base in [*node.bases, *(k.value for k in node.keywords)])
        elif isinstance(node, _Function):
            if not is_open and not any(_name(mark) in _OPEN_DECORATORS for mark in node.decorator_list):
                yield from _empty_body(node)
            is_open = False
        elif isinstance(node, ast.ExceptHandler) and _says_nothing(node.body) and node.type is None:
            yield node.lineno, "empty-handler", "every error is caught and dropped"
        pending.extend((child, is_open) for child in ast.iter_child_nodes(node))


def _empty_body(function: _Function) -> Iterator[Told]:
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if len(body) == 1 and isinstance(body[0], ast.Raise) and _name(body[0].exc) == "NotImplementedError":
        yield body[0].lineno, "placeholder", f"{function.name} only raises NotImplementedError"
    elif any(_is_ellipsis(statement) for statement in body):
        yield function.lineno, "placeholder", f"the body of {function.name} is an ellipsis"
    # A decorated function may well do its work by being decorated.
    elif _says_nothing(body) and not function.decorator_list and not function.name.startswith("__"):
        yield function.lineno, "placeholder", f"the body of {function.name} is empty"


def _says_nothing(body: list[ast.stmt]) -> bool:
    return all(isinstance(statement, ast.Pass) or _is_ellipsis(statement) for statement in body)


def _is_ellipsis(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and statement.value.value is ...
    )


def _name(node: ast.expr | None) -> str:
    """The last name of `a.b.Name(...)` or `Name[...]`."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


if __name__ == "__main__":
    main()
