"""When a contract can be built: names legal, paths safe, imports that hit exports in no circle, nothing left out."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from contracts.artifacts import CliCommand, Contract, ContractFile, Requirements, Route, RunCommands
from contracts.paths import UnsafePath, safe_paths
from workers.kit.rules import naming
from workers.kit.rules.data_model import check_data_model
from workers.kit.rules.naming import shown
from workers.kit.rules.packages import check_packages, check_python
from workers.kit.stage import Unfit

INFRASTRUCTURE = "infrastructure"
MAX_FILES = 200
# What other stages write, or what changes how the package is installed and tested.
_FOREIGN_FOLDERS = frozenset({"tests", "docs", ".quantumlayer", "evidence", "dist", "build"})
_FOREIGN_FILE = re.compile(
    r"readme(\..*)?|requirements.*\.(txt|lock|in)|.*\.lock|pylock.*\.toml|conftest\.py|sitecustomize\.py"
    r"|usercustomize\.py|pytest\.ini|tox\.ini|setup\.cfg|\.coveragerc|pip\.conf|manifest\.json|sbom.*\.json"
)
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_ROUTE = re.compile(r"/[\x21-\x7e]{0,199}")


def check(contract: Contract, requirements: Requirements) -> None:
    """Raises `Unfit` for the first thing that is wrong."""
    for what in ("name", "kind", "language"):
        naming.same(what, getattr(contract, what), getattr(requirements, what))
    naming.line("title", contract.title)
    naming.text("summary", contract.summary)
    check_python(contract.python)
    check_packages(contract.packages)
    _check_module(contract)
    _check_paths(contract.files)
    check_data_model(contract.entities, contract.operations)
    for file in contract.files:
        _check_file(file, contract)
    _check_order(contract)
    _check_duty(contract, requirements)
    _check_faces(contract)


def _check_module(contract: Contract) -> None:
    naming.snake("module", contract.module)
    taken = {module for package in contract.packages for module in package.modules}
    if contract.module in taken | sys.stdlib_module_names:
        raise Unfit(f"the module {contract.module} would hide another one of that name")


def _check_paths(files: Iterable[ContractFile]) -> None:
    paths = [file.path for file in files]
    if not 0 < len(paths) <= MAX_FILES:
        raise Unfit(f"there must be 1 to {MAX_FILES} files")
    try:
        safe_paths(paths)
    except UnsafePath as error:
        raise Unfit(f"the file {error}") from None
    for path in paths:
        folder, name = path.partition("/")[0].casefold(), path.rpartition("/")[2].casefold()
        if ("/" in path and folder in _FOREIGN_FOLDERS) or _FOREIGN_FILE.fullmatch(name):
            raise Unfit(f"{shown(path)} is not for code: another stage writes it, or nobody may")


def _check_file(file: ContractFile, contract: Contract) -> None:
    naming.line(f"language of {file.path}", file.language, 40)
    naming.line(f"layer of {file.path}", file.layer, 60)
    naming.text(f"purpose of {file.path}", file.purpose)
    symbols = [export.symbol for export in file.exports]
    for symbol in symbols:
        naming.symbol(f"export of {file.path}", symbol)
    if len(set(symbols)) < len(symbols):
        raise Unfit(f"{file.path} exports a name twice")
    brought = {module for package in contract.packages if not package.dev for module in package.modules}
    for module in file.external:
        if module not in brought | sys.stdlib_module_names:
            raise Unfit(f"{file.path} imports {shown(module)}, which no package of the contract brings")


def _check_order(contract: Contract) -> None:
    files = {file.path: file for file in contract.files}
    for file in contract.files:
        for wanted in file.internal:
            naming.known(f"an import of {file.path}", (wanted.path,), files)
            if wanted.symbol not in {export.symbol for export in files[wanted.path].exports}:
                raise Unfit(f"{file.path} imports {shown(wanted.symbol)} from {wanted.path}, which does not export it")
    try:
        TopologicalSorter({file.path: {i.path for i in file.internal} for file in contract.files}).prepare()
    except CycleError as error:
        raise Unfit(f"files import each other in a circle: {' -> '.join(error.args[1])}") from None


def _check_duty(contract: Contract, requirements: Requirements) -> None:
    listed = {requirement.id for requirement in requirements.requirements}
    for file in contract.files:
        naming.known(file.path, file.requirement_ids, listed)
        if not file.requirement_ids and file.layer != INFRASTRUCTURE:
            raise Unfit(f"{file.path} serves no requirement and its layer is not {INFRASTRUCTURE!r}")
    served = {name for file in contract.files for name in file.requirement_ids}
    must = [requirement.id for requirement in requirements.requirements if requirement.priority == "must"]
    if forgotten := [name for name in must if name not in served]:
        raise Unfit(f"no file serves {', '.join(forgotten)}")


def _check_faces(contract: Contract) -> None:
    """How people reach it: commands to run it, routes, command lines."""
    _check_run(contract.run)
    if contract.kind != "library":
        if not any(file.entry for file in contract.files):
            raise Unfit("no file is marked as the entry")
        if not contract.run.start:
            raise Unfit("no command starts it")
    if contract.kind == "rest_api" and not contract.routes:
        raise Unfit("a rest_api needs routes")
    if contract.kind == "cli" and not contract.commands:
        raise Unfit("a cli needs commands")
    _check_routes(contract.routes)
    _check_commands(contract.commands)


def _check_run(run: RunCommands) -> None:
    if not run.test:
        raise Unfit("no command runs the tests")
    for command in (run.start, run.test, run.help):
        for word in command:
            naming.line("word of a command line", word)
        if command and not _PROGRAM.fullmatch(command[0]):
            raise Unfit(f"{shown(command[0])} is no bare name of a program")


def _check_routes(routes: Iterable[Route]) -> None:
    seen = set()
    for route in routes:
        place = f"the route {shown(f'{route.method} {route.path}')}"
        if route.method not in _METHODS or not _ROUTE.fullmatch(route.path) or not 100 <= route.status <= 599:
            raise Unfit(f"{place} with status {route.status} is none of HTTP")
        if (route.method, route.path) in seen:
            raise Unfit(f"{place} stands there twice")
        seen.add((route.method, route.path))


def _check_commands(commands: Iterable[CliCommand]) -> None:
    for command in commands:
        naming.line("usage of a command", command.usage)
