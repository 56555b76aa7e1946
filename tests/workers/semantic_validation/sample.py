"""A small sound project: a contract and the tree that keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.artifacts import Contract, ContractFile, Export, File, Package, RunCommands, SourceTree

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "plums"
version = "0.1.0"
description = "Counts plums."
readme = "README.md"
requires-python = ">=3.11"
dependencies = []

[project.scripts]
plums = "plums.cli:main"

[tool.hatch.build.targets.wheel]
packages = ["src/plums"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src"]
"""
MODELS = '''\
"""What a basket is."""

from __future__ import annotations

from dataclasses import dataclass


class Spoiled(ValueError):
    """The plums are not fit to be counted."""


@dataclass(frozen=True)
class Basket:
    plums: int

    def double(self) -> Basket:
        if self.plums < 0:
            raise Spoiled("fewer than none")
        return Basket(self.plums * 2)
'''
CLI = '''\
"""The command line."""

from __future__ import annotations

import argparse
import sys

from .models import Basket, Spoiled


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="plums", description="Doubles plums.")
    parser.add_argument("plums", type=int)
    try:
        basket = Basket(parser.parse_args(argv).plums).double()
    except Spoiled as error:
        print(error, file=sys.stderr)
        return 1
    print(basket.plums)
    return 0
'''
FILES = {
    "pyproject.toml": PYPROJECT,
    "src/plums/__init__.py": '"""Counts plums."""\n',
    "src/plums/models.py": MODELS,
    "src/plums/cli.py": CLI,
    "src/plums/__main__.py": "from plums.cli import main\n\nraise SystemExit(main())\n",
}
_EXPORTS = {
    "src/plums/models.py": (Export(symbol="Basket", kind="class"), Export(symbol="Spoiled", kind="class")),
    "src/plums/cli.py": (Export(symbol="main", kind="function"),),
}


def contract(
    *extra: str, packages: tuple[Package, ...] = (), help_: tuple[str, ...] = ("python", "-m", "plums", "-h")
) -> Contract:
    return Contract(
        name="plums",
        title="Plums",
        summary="Counts plums.",
        kind="cli",
        language="python",
        module="plums",
        python=">=3.11",
        files=tuple(
            ContractFile(
                path=path, language="python", layer="core", purpose="works", exports=_EXPORTS.get(path, ()),
                requirement_ids=("R-001",),
            )
            for path in (*FILES, *extra)
        ),
        packages=packages,
        run=RunCommands(start=("plums",), test=("pytest",), help=help_),
    )  # fmt: skip


def tree(changes: Mapping[str, str | None] | None = None) -> SourceTree:
    """The sound files with `changes`; None leaves one out."""
    texts: dict[str, str | None] = {**FILES, **(changes or {})}
    return SourceTree(
        files=tuple(
            File(path=path, text=text, model="blueprint/default", question="q" * 64)
            for path, text in texts.items()
            if text is not None
        )
    )
