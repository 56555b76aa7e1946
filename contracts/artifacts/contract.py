"""project_structure writes a Contract: every file, what it exports and imports, fixed before any code is written."""

from __future__ import annotations

from typing import Literal

import msgspec

from .model import Entity, Kind, Operation


class Export(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name other files may import: a class, function or constant, with its signature and what it raises."""

    symbol: str
    kind: Literal["class", "function", "constant"]
    signature: str = ""
    doc: str = ""
    raises: tuple[str, ...] = ()


class InternalImport(msgspec.Struct, frozen=True, kw_only=True):
    """`symbol` taken from the contract's file `path`."""

    path: str
    symbol: str


class ContractFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file to be written by code_generation. `external` are top-level import names of `Contract.packages`."""

    path: str
    language: str
    layer: str
    purpose: str
    requirement_ids: tuple[str, ...] = ()
    exports: tuple[Export, ...] = ()
    internal: tuple[InternalImport, ...] = ()
    external: tuple[str, ...] = ()
    entry: bool = False


class Package(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dependency: distribution `name`, version `specifier` ('>=2,<3' or ''), the `modules` it is imported as."""

    name: str
    specifier: str = ""
    modules: tuple[str, ...] = ()
    dev: bool = False


class RunCommands(msgspec.Struct, frozen=True, kw_only=True):
    """Shell-free command lines, run in the package's folder in a virtual environment's bin-first PATH."""

    start: tuple[str, ...]
    test: tuple[str, ...]
    help: tuple[str, ...] = ()


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP route of a rest_api."""

    method: str
    path: str
    summary: str
    status: int


class CliCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a cli, as typed after the program's name."""

    usage: str
    summary: str


class Contract(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The design that every later stage is held to. `module` is the import name of the generated package."""

    name: str
    title: str
    summary: str
    kind: Kind
    language: str
    module: str
    python: str
    files: tuple[ContractFile, ...]
    packages: tuple[Package, ...]
    run: RunCommands
    entities: tuple[Entity, ...] = ()
    operations: tuple[Operation, ...] = ()
    routes: tuple[Route, ...] = ()
    commands: tuple[CliCommand, ...] = ()
