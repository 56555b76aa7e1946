"""Which files a repair writes again, and what each of them is told.

A finding is about the file it names; one about another place (a test, the package) is about the files that serve its
requirements; one that names nothing is about every file.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.artifacts import Contract, File, Finding


def to_redo(contract: Contract, findings: tuple[Finding, ...], old: Mapping[str, File]) -> tuple[str, ...]:
    """The paths to be written, in the contract's order: all of them at first."""
    grave = tuple(finding for finding in findings if finding.severity == "error") or findings
    hit = {path for finding in grave for path in _about(finding, contract)}
    paths = [file.path for file in contract.files]
    if not hit:
        return tuple(paths)
    return tuple(path for path in paths if path in hit or path not in old)


def findings_about(path: str, contract: Contract, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What one file is told of the findings, warnings too."""
    return tuple(finding for finding in findings if path in _about(finding, contract))


def _about(finding: Finding, contract: Contract) -> tuple[str, ...]:
    paths = tuple(file.path for file in contract.files)
    if finding.path in paths:
        return (finding.path,)
    wanted = set(finding.requirement_ids)
    return tuple(file.path for file in contract.files if wanted & set(file.requirement_ids)) or paths
