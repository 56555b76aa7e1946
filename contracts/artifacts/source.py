"""code_generation writes a SourceTree; semantic_validation judges it in a ValidationReport."""

from __future__ import annotations

import msgspec

from .files import File
from .findings import Finding


class SourceTree(msgspec.Struct, frozen=True, kw_only=True):
    """Every file of the contract, written."""

    files: tuple[File, ...]


class ValidationReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was checked in how many files, and what was found."""

    files_checked: int
    checks: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
