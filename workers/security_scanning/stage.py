"""Security scanning: bandit for the code, detect-secrets for what should not be in it.

Wakes on `semantic_validation`. Writes a `SecurityReport`, or rejects to code_generation. A scanner that did not get
through stands under `not_run` with its reason, never under `tools`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from contracts.artifacts import Finding, SecurityReport, SourceTree
from workers.kit.parsing.alone import SYNTAX_TREES
from workers.kit.stage import Reject

from . import code, secrets
from .folder import Laid, laid_out

SCANNERS: tuple[tuple[str, Callable[[Laid], list[Finding]]], ...] = (
    (code.TOOL, code.scan),
    (secrets.TOOL, secrets.scan),
)


@dataclass(frozen=True, slots=True)
class SecurityScanning:
    async def __call__(self, tree: SourceTree) -> SecurityReport | Reject:
        report = await asyncio.to_thread(scan, tree)
        errors = tuple(finding for finding in report.findings if finding.severity == "error")
        return Reject(report=report, findings=errors, target="code_generation") if errors else report


def scan(tree: SourceTree) -> SecurityReport:
    """Every scanner over every file, for one tree at a time: both keep their settings in globals."""
    tools: list[str] = []
    not_run: list[str] = []
    findings: set[Finding] = set()
    with SYNTAX_TREES, laid_out(tree.files) as laid:
        for tool, scanner in SCANNERS:
            try:
                findings.update(scanner(laid))
                tools.append(tool)
            except Exception as error:  # noqa: BLE001 - hostile code may break a scanner anywhere; it is told of
                not_run.append(f"{tool}: {type(error).__name__}: {laid.named(str(error))}"[:300])
    return SecurityReport(
        tools=tuple(tools),
        files_scanned=len(tree.files),
        findings=tuple(sorted(findings, key=lambda f: (f.path, f.line, f.rule, f.message))),
        not_run=tuple(not_run),
    )


STAGE = SecurityScanning
