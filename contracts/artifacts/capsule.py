"""packaging writes a Capsule: the package as one archive, with its manifest and evidence inside."""

from __future__ import annotations

from typing import Literal

import msgspec

Grade = Literal["A", "B", "C", "D", "F"]


class Capsule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`archive` is the tar.gz: the artifact's bytes are these, and the other fields are what its event tells of it."""

    name: str
    grade: Grade
    reasons: tuple[str, ...]
    files: int
    archive: bytes
