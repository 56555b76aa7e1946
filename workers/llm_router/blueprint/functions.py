"""The plain computations that the blueprint model can put into a project: real functions, read with their source.

Each is written as ordinary Python in `catalogue/`, so it is typed, linted and tested like the rest; what the project
writer needs of it (signature, docstring, body, imports, exceptions) is read from that source, never written twice.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import msgspec

TOPICS = ("text", "numbers", "units", "dates", "statistics", "geometry", "money", "validation", "sequences")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """How a catalogue module describes one of its functions: other words for it, and what it answers."""

    phrases: tuple[str, ...]
    examples: tuple[tuple[tuple[Any, ...], Any], ...]
    error_examples: tuple[tuple[tuple[Any, ...], str], ...] = ()


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """One pure function. `body` is its source without signature, docstring and indentation; `imports` whole lines.

    `parameters` are (name, Python type); `raises` exception names; an example is (arguments, result) and an error
    example (arguments, exception name).
    """

    name: str
    topic: str
    phrases: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    returns: str
    doc: str
    body: tuple[str, ...]
    imports: tuple[str, ...]
    raises: tuple[str, ...]
    examples: tuple[tuple[tuple[Any, ...], Any], ...]
    error_examples: tuple[tuple[tuple[Any, ...], str], ...]


@cache
def catalogue() -> Mapping[str, Function]:
    """Every function by name, in the order of the catalogue's modules."""
    return {
        found.name: found
        for topic in TOPICS
        for found in _functions(importlib.import_module(f"workers.llm_router.blueprint.catalogue.{topic}"), topic)
    }


def _functions(module: ModuleType, topic: str) -> list[Function]:
    source = inspect.getsource(module)
    tree = ast.parse(source)
    definitions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    imports = _imports(tree)
    samples: dict[Callable[..., Any], Sample] = module.SAMPLES
    return [
        _function(definitions[call.__name__], source.splitlines(), imports, topic, sample)
        for call, sample in samples.items()
    ]


def _function(
    node: ast.FunctionDef, lines: list[str], imports: Mapping[str, str], topic: str, sample: Sample
) -> Function:
    body = lines[node.body[1].lineno - 1 : node.end_lineno]
    used = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
    return Function(
        name=node.name,
        topic=topic,
        phrases=(node.name.replace("_", " "), *sample.phrases),
        parameters=tuple((arg.arg, ast.unparse(arg.annotation)) for arg in node.args.args if arg.annotation),
        returns=ast.unparse(node.returns) if node.returns else "None",
        doc=ast.get_docstring(node) or "",
        body=tuple(textwrap.dedent("\n".join(body)).splitlines()),
        imports=tuple(sorted({line for name, line in imports.items() if name in used})),
        raises=tuple(sorted({_raised(child) for child in ast.walk(node) if isinstance(child, ast.Raise)} - {""})),
        examples=sample.examples,
        error_examples=sample.error_examples,
    )


def _imports(tree: ast.Module) -> dict[str, str]:
    """Bound name → the import line that binds it, for the standard library only."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            found.update({alias.asname or alias.name: f"import {alias.name}" for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__" and not node.level:
            found.update({alias.name: f"from {node.module} import {alias.name}" for alias in node.names})
    return found


def _raised(node: ast.Raise) -> str:
    error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return error.id if isinstance(error, ast.Name) else ""
