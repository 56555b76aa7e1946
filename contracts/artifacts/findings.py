"""What a check has to say about a place in the package; shared by every report."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One complaint with its place. `line` counts from 1; 0 means the whole file, `path` '' the whole package."""

    rule: str
    message: str
    severity: Severity = "error"
    path: str = ""
    line: int = 0
    requirement_ids: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Equal for the same complaint about the same file, wherever its line has moved; 16 hex digits."""
        return hashlib.sha256(f"{self.rule}\0{self.path}\0{self.message}".encode()).hexdigest()[:16]

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}: " if self.line else f"{self.path}: " if self.path else ""
        return f"{place}{self.message} [{self.rule}]"
