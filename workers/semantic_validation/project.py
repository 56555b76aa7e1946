"""The Python files of a tree as modules: what each defines, imports and may import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from contracts.artifacts import Contract, ContractFile, SourceTree
from workers.kit.ports import ImportedName, Parser, Symbol


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file; `name` is how others import it, `package` the one its leading dots count from."""

    path: str
    name: str
    package: str
    symbols: tuple[Symbol, ...]
    imports: tuple[ImportedName, ...]

    @property
    def names(self) -> frozenset[str]:
        """What others can take from it: its own definitions and what it imported itself."""
        own = {symbol.name for symbol in self.symbols}
        return frozenset(own | {one.name or one.module.partition(".")[0] for one in self.imports if not one.deferred})


@dataclass(frozen=True, slots=True)
class Project:
    """Modules by import name, beside the contract they must keep."""

    contract: Contract
    modules: Mapping[str, Module]
    files: Mapping[str, ContractFile]

    @classmethod
    def of(cls, tree: SourceTree, contract: Contract, parser: Parser) -> Project:
        modules = [
            Module(
                path=file.path,
                name=module_name(file.path),
                package=_package(file.path),
                symbols=parser.symbols(file),
                imports=parser.imports(file),
            )
            for file in tree.files
            if file.path.endswith(".py")
        ]
        return cls(contract, {m.name: m for m in modules}, {file.path: file for file in contract.files})

    @property
    def own(self) -> frozenset[str]:
        """The first parts of our own module names."""
        return frozenset(name.partition(".")[0] for name in self.modules)

    def is_package(self, name: str) -> bool:
        return any(module.startswith(f"{name}.") for module in self.modules)


def module_name(path: str) -> str:
    """`src/app/models.py` is imported as `app.models`, `app/__init__.py` as `app`."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    if parts[-1] == "__init__" and len(parts) > 1:
        parts = parts[:-1]
    return ".".join(parts)


def _package(path: str) -> str:
    name = module_name(path)
    return name if path.endswith("/__init__.py") else name.rpartition(".")[0]
