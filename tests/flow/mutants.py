"""How many small faults a package's own tests notice: `python -m tests.flow.mutants FOLDER --sample 40 --seed 1`.

Each mutant is one changed place of one source file, in a copy of the package; it is killed when the tests fail.
Prints `killed/total`, and with `--verbose` the survivors.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

TIMEOUT_S = 180
_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
}


class Mutant(NamedTuple):
    """A place in a file, counted in the order of `places`, and what is done there."""

    path: Path
    place: int
    line: int
    change: str


class Place(NamedTuple):
    """A node that can be changed: `apply` does it in place."""

    line: int
    change: str
    apply: Callable[[], None]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the package's dependencies")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mutants-") as work:
        copied = Path(work) / "package"
        shutil.copytree(arguments.folder, copied, ignore=shutil.ignore_patterns(".venv", "__pycache__", ".git"))
        if fails(copied, arguments.python):
            sys.stderr.write("the tests fail without any mutant\n")
            return 1
        chosen = sample(mutants(copied), arguments.sample, arguments.seed)
        alive = [mutant for mutant in chosen if not killed(mutant, copied, arguments.python)]
        if arguments.verbose:
            for mutant in alive:
                sys.stderr.write(f"{mutant.path.relative_to(copied)}:{mutant.line}: {mutant.change}\n")
    sys.stdout.write(f"{len(chosen) - len(alive)}/{len(chosen)}\n")
    return 0


def mutants(folder: Path) -> list[Mutant]:
    return [
        Mutant(path, number, place.line, place.change)
        for path in sorted((folder / "src").rglob("*.py"))
        for number, place in enumerate(places(ast.parse(path.read_text(encoding="utf-8"))))
    ]


def sample(found: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    return random.Random(seed).sample(found, min(size, len(found)))  # noqa: S311 - to draw a sample, not a secret


def killed(mutant: Mutant, folder: Path, python: str) -> bool:
    text = mutant.path.read_text(encoding="utf-8")
    try:
        mutant.path.write_text(mutated(text, mutant.place), encoding="utf-8")
        return fails(folder, python)
    finally:
        mutant.path.write_text(text, encoding="utf-8")


def mutated(text: str, place: int) -> str:
    tree = ast.parse(text)
    list(places(tree))[place].apply()
    return ast.unparse(ast.fix_missing_locations(tree))


def fails(folder: Path, python: str) -> bool:
    """Whether the package's tests fail; tests that never end do too."""
    argv = (python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header")
    ours = {"PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment = {**os.environ, **ours, "HOME": str(folder)}
    try:
        run = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0


def places(tree: ast.Module) -> Iterator[Place]:
    """Everything that can be changed; not docstrings, type annotations of functions and the pieces of f-strings."""
    left_out = _left_out(tree)
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        match node:
            case ast.Compare():
                yield from _compared(node)
            case ast.BoolOp() | ast.BinOp() if type(node.op) in _SWAPPED:
                yield _swapped(node)
            case ast.UnaryOp(op=ast.Not()):
                yield Place(node.lineno, "not dropped", _setter(node, "operand", ast.UnaryOp(ast.Not(), node.operand)))
            case ast.Constant() if (other := _other(node.value)) is not None:
                yield Place(node.lineno, f"{node.value!r} is {other!r}", _setter(node, "value", other))
            case ast.Return(value=ast.expr()):
                yield Place(node.lineno, "returns None", _setter(node, "value", ast.Constant(None)))
            case ast.If():
                yield Place(node.lineno, "if is never", _setter(node, "test", ast.Constant(False)))
            case _:
                pass


def _compared(node: ast.Compare) -> Iterator[Place]:
    for number, op in enumerate(node.ops):
        new = _SWAPPED[type(op)]

        def apply(number: int = number, new: type[ast.AST] = new) -> None:
            node.ops[number] = new()  # type: ignore[call-overload]  # always a cmpop

        yield Place(node.lineno, f"{type(op).__name__} is {new.__name__}", apply)


def _swapped(node: ast.BoolOp | ast.BinOp) -> Place:
    new = _SWAPPED[type(node.op)]
    return Place(node.lineno, f"{type(node.op).__name__} is {new.__name__}", _setter(node, "op", new()))


def _setter(node: ast.AST, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, name, copy.copy(value))


def _other(value: object) -> object:
    """Another constant of its kind; None where there is none."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"XX{value}" if isinstance(value, str) else None


def _left_out(tree: ast.Module) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        unwanted: list[ast.AST | None] = []
        match node:
            case ast.Module() | ast.ClassDef() if ast.get_docstring(node) is not None:
                unwanted = [node.body[0]]
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                unwanted = [node.returns, *(arg.annotation for arg in ast.walk(node.args) if isinstance(arg, ast.arg))]
                unwanted += [node.body[0]] if ast.get_docstring(node) is not None else []
            case ast.JoinedStr():
                unwanted = [part for part in node.values if isinstance(part, ast.Constant)]
            case ast.FormattedValue():
                unwanted = [node.format_spec]
            case _:
                pass
        for part in filter(None, unwanted):
            found.update(id(inner) for inner in ast.walk(part))
    return found


if __name__ == "__main__":
    sys.exit(main())
