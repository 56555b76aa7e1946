"""The contract: every file with what it exports and imports, read off the files that will be written."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

from contracts.artifacts import (
    Contract,
    ContractFile,
    Export,
    InternalImport,
    Requirement,
    Requirements,
    RunCommands,
)

from . import kinds, project
from .completion import Model
from .design import Design, design
from .drafts import Draft, Key

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def contract(requirements: Requirements) -> Contract:
    plan = design(requirements)
    drafts = kinds.drafts(plan)
    known = {_module_name(draft.path): draft.path for draft in drafts if draft.path.endswith(".py")}
    model = Model(requirements.entities, requirements.operations)
    return Contract(
        name=plan.name,
        title=plan.title,
        summary=plan.summary,
        kind=plan.kind,
        language="python",
        module=plan.module,
        python=project.PYTHON,
        files=tuple(_file(draft, known, requirements.requirements) for draft in drafts),
        packages=project.packages(plan),
        run=run(plan),
        entities=model.entities,
        operations=model.operations,
        routes=kinds.routes(plan),
        commands=kinds.commands(plan),
    )


def run(plan: Design) -> RunCommands:
    test = ("python", "-m", "pytest")
    if plan.kind == "library":
        return RunCommands(start=(), test=test)
    start: tuple[str, ...] = ("python", "-m", plan.module)
    if plan.kind == "cli":
        return RunCommands(start=(*start, "--help"), test=test, help=(*start, "--help"))
    return RunCommands(start=start, test=test)


def requirement_ids(serves: Iterable[Key], claims: Sequence[Requirement]) -> tuple[str, ...]:
    wanted = set(serves)
    return tuple(claim.id for claim in claims if (claim.entity, claim.operation) in wanted)


def _file(draft: Draft, known: dict[str, str], claims: Sequence[Requirement]) -> ContractFile:
    tree = ast.parse(draft.text) if draft.path.endswith(".py") else ast.Module(body=[], type_ignores=[])
    internal, external = _imports(tree, known)
    return ContractFile(
        path=draft.path,
        language={"py": "python", "toml": "toml"}.get(draft.path.rpartition(".")[2], "text"),
        layer=draft.layer,
        purpose=draft.purpose,
        requirement_ids=requirement_ids(draft.serves, claims),
        exports=tuple(_exports(tree)),
        internal=internal,
        external=external,
        entry=draft.entry,
    )


def _exports(tree: ast.Module) -> Iterable[Export]:
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield _definition(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.startswith("_"):
                    yield Export(symbol=target.id, kind="constant")


def _definition(node: Definition) -> Export:
    kind: Literal["class", "function"] = "class" if isinstance(node, ast.ClassDef) else "function"
    doc = (ast.get_docstring(node) or "").partition("\n")[0]
    raised = dict.fromkeys(
        part.exc.func.id
        for part in ast.walk(node)
        if isinstance(part, ast.Raise) and isinstance(part.exc, ast.Call) and isinstance(part.exc.func, ast.Name)
    )
    return Export(symbol=node.name, kind=kind, signature=_signature(node), doc=doc, raises=tuple(raised))


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {node.name}({ast.unparse(node.args)}){result}"


def _imports(tree: ast.Module, known: dict[str, str]) -> tuple[tuple[InternalImport, ...], tuple[str, ...]]:
    internal: list[InternalImport] = []
    external: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            path = known.get(node.module)
            if path is None:
                external.add(node.module.partition(".")[0])
            else:
                internal += [InternalImport(path=path, symbol=name.name) for name in node.names]
        elif isinstance(node, ast.Import):
            external.update(name.name.partition(".")[0] for name in node.names)
    return tuple(internal), tuple(sorted(external - sys.stdlib_module_names))


def _module_name(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
