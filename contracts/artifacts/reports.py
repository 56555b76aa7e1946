"""security_scanning and performance_analysis: what the scanners and the meters say."""

from __future__ import annotations

import msgspec

from .findings import Finding


class SecurityReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Findings by tool; `tools` are the ones that really ran, with their versions; `not_run` the ones that did not."""

    tools: tuple[str, ...]
    files_scanned: int
    findings: tuple[Finding, ...] = ()
    not_run: tuple[str, ...] = ()


class FunctionMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """One function: cyclomatic complexity, lines of code, parameters."""

    path: str
    name: str
    line: int
    complexity: int
    loc: int
    parameters: int


class FileMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """One file: lines of code and radon's maintainability index, 0 (bad) to 100."""

    path: str
    loc: int
    maintainability: float


class PerformanceReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Static measures; `findings` are warnings about functions above the stated limits."""

    functions: tuple[FunctionMeasure, ...]
    files: tuple[FileMeasure, ...]
    findings: tuple[Finding, ...] = ()
