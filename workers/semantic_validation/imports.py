"""Names across files: exports are there, imports hit something, and no file waits for itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from contracts.artifacts import Finding
from workers.kit.ports import ImportedName

from .project import Module, Project


def exports(project: Project) -> Iterator[Finding]:
    """Every name that the contract promises, as what it promises it."""
    for module in project.modules.values():
        wanted = project.files.get(module.path)
        kinds = {symbol.name: symbol for symbol in module.symbols}
        for export in wanted.exports if wanted else ():
            if export.symbol not in module.names:
                yield _finding(module, 0, "missing-export", f"does not define {export.symbol}")
            elif export.symbol in kinds and {kinds[export.symbol].kind, export.kind} == {"class", "function"}:
                symbol = kinds[export.symbol]
                message = f"{symbol.name} is a {symbol.kind}, but the contract says {export.kind}"
                yield _finding(module, symbol.line, "wrong-export", message)


def findings(project: Project) -> Iterator[Finding]:
    """Imports of our own that hit nothing, and foreign ones that no package of the contract brings."""
    allowed = _external(project)
    for module in project.modules.values():
        for wanted in module.imports:
            source = _absolute(module, wanted)
            if source is None:
                yield _finding(module, wanted.line, "unresolved-import", "the import leaves the package")
            elif source.partition(".")[0] in project.own:
                yield from _internal(project, module, wanted, source)
            elif source.partition(".")[0] not in allowed:
                message = (
                    f"{source.partition('.')[0]} is neither in the standard library nor in the contract's packages"
                )
                yield _finding(module, wanted.line, "unknown-import", message)


def cycles(project: Project) -> list[Finding]:
    """Imports that run when a file is imported may not lead back to it."""
    graph = {name: _needs(project, module) for name, module in project.modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # Told of in the same words whichever file the search began with.
        ring = list(reversed(error.args[1]))[:-1]
        start = ring.index(min(ring))
        names = [*ring[start:], *ring[:start]]
        message = f"modules import each other in a circle: {' -> '.join([*names, names[0]])}"
        return [_finding(project.modules[names[0]], 0, "import-cycle", message)]
    return []


def _external(project: Project) -> frozenset[str]:
    brought = {
        module
        for package in project.contract.packages
        if not package.dev
        for module in package.modules or (package.name.replace("-", "_"),)
    }
    return frozenset(brought | sys.stdlib_module_names)


def _absolute(module: Module, wanted: ImportedName) -> str | None:
    """The module's full name; None when the leading dots lead out of the package."""
    if not wanted.level:
        return wanted.module
    parts = module.package.split(".") if module.package else []
    kept = len(parts) - (wanted.level - 1)
    return ".".join([*parts[:kept], *filter(None, [wanted.module])]) if kept > 0 else None


def _internal(project: Project, module: Module, wanted: ImportedName, source: str) -> Iterator[Finding]:
    target = project.modules.get(source)
    if target is None and not project.is_package(source):
        yield _finding(module, wanted.line, "unresolved-import", f"there is no module {source}")
        return
    if wanted.name in {"", "*"} or f"{source}.{wanted.name}" in project.modules:
        return
    if project.is_package(f"{source}.{wanted.name}"):
        return
    if target is None or wanted.name not in target.names:
        yield _finding(module, wanted.line, "unresolved-import", f"{source} does not define {wanted.name}")
        return
    promised = project.files.get(target.path)
    if promised is None or wanted.name not in {export.symbol for export in promised.exports}:
        message = f"{source} defines {wanted.name}, but the contract does not say that it exports it"
        yield _finding(module, wanted.line, "uncontracted-import", message, "warning")


def _needs(project: Project, module: Module) -> set[str]:
    found: set[str] = set()
    for wanted in module.imports:
        source = None if wanted.deferred else _absolute(module, wanted)
        if source is None:
            continue
        inner = f"{source}.{wanted.name}"
        found.add(inner if inner in project.modules else source)
    return found & set(project.modules) - {module.name}


def _finding(
    module: Module, line: int, rule: str, message: str, severity: Literal["error", "warning"] = "error"
) -> Finding:
    return Finding(rule=rule, message=message, severity=severity, path=module.path, line=line)
