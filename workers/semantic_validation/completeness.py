"""The files: exactly those of the contract, under names that can be written anywhere."""

from __future__ import annotations

from contracts.artifacts import Contract, Finding, SourceTree
from contracts.paths import UnsafePath, safe_paths

# Files that only mark a folder may be empty.
_MARKERS = ("__init__.py", "py.typed")


def findings(tree: SourceTree, contract: Contract) -> list[Finding]:
    written = [file.path for file in tree.files]
    wanted = {file.path for file in contract.files}
    found = _unsafe(written)
    found += [_about(path, "missing-file", "is in the contract but was not written") for path in wanted - {*written}]
    found += [_about(path, "extra-file", "was written but is not in the contract") for path in {*written} - wanted]
    return found + [
        _about(file.path, "empty-file", "is empty")
        for file in tree.files
        if not file.text.strip() and not file.path.endswith(_MARKERS)
    ]


def _unsafe(paths: list[str]) -> list[Finding]:
    try:
        safe_paths(paths)
    except UnsafePath as error:
        return [_about(error.name, "unsafe-path", error.reason)]
    return []


def _about(path: str, rule: str, message: str) -> Finding:
    # A hostile name is told in a form that is safe to show and to store.
    shown = path.encode("ascii", "backslashreplace").decode()[:200]
    return Finding(rule=rule, message=message, path="".join(c if c.isprintable() else "?" for c in shown))
