"""A generated file and where its text came from."""

from __future__ import annotations

import msgspec


class File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text file of the package: relative POSIX `path`, UTF-8 `text` with LF line ends.

    `model` wrote it in answer to the ledger entry `question` (sha256, hex), at `revision` of the stage that holds it.
    `instead` says why that model stood in for the one that was wanted; '' where none did.
    """

    path: str
    text: str
    model: str = ""
    question: str = ""
    revision: int = 1
    instead: str = ""
