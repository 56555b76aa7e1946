"""documentation writes Docs: the files that tell people about the package."""

from __future__ import annotations

import msgspec

from .files import File


class Docs(msgspec.Struct, frozen=True, kw_only=True):
    """README.md and the pages under docs/."""

    files: tuple[File, ...]
