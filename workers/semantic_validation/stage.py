"""Semantic validation: every file of the contract is there, can be parsed, is finished, and imports what exists.

Wakes on `code_generation`. Writes a `ValidationReport`, or rejects to code_generation with file, line and rule.
Asks no model and no network: the same input gets the same verdict.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from contracts.artifacts import Contract, Finding, SourceTree, ValidationReport
from workers.kit.ports import Parser
from workers.kit.stage import Reject

from . import completeness, data_files, imports, python_files, syntax
from .project import Project

CHECKS = ("paths", "completeness", "syntax", "placeholders", "compiles", "exports", "imports", "cycles")


@dataclass(frozen=True, slots=True)
class SemanticValidation:
    parser: Parser

    async def __call__(self, tree: SourceTree, contract: Contract) -> ValidationReport | Reject:
        findings = completeness.findings(tree, contract)
        told = await python_files.check(tree.files)
        findings += await asyncio.to_thread(self._read, tree, contract, told)
        report = ValidationReport(files_checked=len(tree.files), checks=CHECKS, findings=_ordered(findings))
        errors = tuple(finding for finding in report.findings if finding.severity == "error")
        return Reject(report=report, findings=errors, target="code_generation") if errors else report

    def _read(self, tree: SourceTree, contract: Contract, told: python_files.Told) -> list[Finding]:
        """What has to be parsed. Names are compared only once every file can be read."""
        findings = [*told.findings, *data_files.findings(tree), *syntax.placeholders(tree)]
        findings += syntax.errors(tree, self.parser, told.compiled)
        if any(finding.severity == "error" and finding.rule in syntax.UNREADABLE for finding in findings):
            return findings
        project = Project.of(tree, contract, self.parser)
        return [*findings, *imports.exports(project), *imports.findings(project), *imports.cycles(project)]


def _ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (f.path, f.line, f.rule, f.message)))


STAGE = SemanticValidation
