"""Which file names we take from a model, a prompt or an archive.

`safe_path` judges one name, `safe_paths` a whole set; both raise `UnsafePath` with the reason and change nothing.
A name that passes can be created under a folder on Linux, macOS and Windows without leaving that folder.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MAX_PART_BYTES = 200
MAX_PATH_BYTES = 1000
MAX_FILES = 2000
_TOO_LONG = f"is longer than {MAX_PATH_BYTES} bytes"

# COM0 and LPT0 are reserved nowhere, but the superscript digits are.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789\u00b9\u00b2\u00b3"]
)
# A checked-out capsule must not bring its own hooks; git~1 is the short name of .git on Windows.
_GIT = frozenset([".git", "git~1"])
_FORBIDDEN_CHARACTERS = frozenset('\\:<>"|?*')
# Control, format (bidi overrides, zero width), surrogate, private use, line and paragraph separators.
_FORBIDDEN_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])


class UnsafePath(ValueError):
    """A file name that no part of us may write; `reason` says why, `name` is the offender."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name[:80]!a} {reason}")


def safe_path(name: str) -> str:
    """The name itself, or `UnsafePath`."""
    reason = _fault(name)
    if reason is not None:
        raise UnsafePath(name, reason)
    return name


def safe_paths(names: Iterable[str]) -> tuple[str, ...]:
    """Every name, or `UnsafePath` for the first that is unsafe alone or beside those before it."""
    spelled: dict[str, str] = {}  # folded name of a file or folder -> as it was first written
    files: set[str] = set()
    folders: set[str] = set()
    kept: list[str] = []
    for name in names:
        parents = _parents(safe_path(name))
        _clash(name, parents, spelled, files, folders)
        files.add(name.casefold())
        folders.update(parent.casefold() for parent in parents)
        spelled.update((path.casefold(), path) for path in (name, *parents))
        kept.append(name)
        if len(kept) > MAX_FILES:
            raise UnsafePath(name, f"is one file too many: at most {MAX_FILES}")
    return tuple(kept)


def _fault(name: str) -> str | None:
    if not name:
        return "is empty"
    if len(name) > MAX_PATH_BYTES:  # a character is a byte at least; what follows looks at each
        return _TOO_LONG
    # Before anything that encodes: a lone surrogate has no bytes.
    bad = next(
        (c for c in name if c in _FORBIDDEN_CHARACTERS or unicodedata.category(c) in _FORBIDDEN_CATEGORIES), None
    )
    if bad is not None:
        return f"holds the character U+{ord(bad):04X}"
    if name.startswith("/"):
        return "is absolute"
    if len(name.encode()) > MAX_PATH_BYTES:
        return _TOO_LONG
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode normal form C"
    return next((fault for part in name.split("/") if (fault := _part_fault(part)) is not None), None)


def _part_fault(part: str) -> str | None:
    if not part:
        return "holds an empty part"
    if part in {".", ".."}:
        return f"holds the part {part!r}"
    if len(part.encode()) > MAX_PART_BYTES:
        return f"holds a part longer than {MAX_PART_BYTES} bytes"
    if part[-1] in ". " or part[0] == " ":
        return "holds a part with a dot or space at its edge"
    if part.casefold() in _GIT:
        return "reaches into a git folder"
    if part.split(".", 1)[0].rstrip(" ").casefold() in _DEVICES:
        return "holds the name of a device"
    return None


def _parents(name: str) -> tuple[str, ...]:
    parts = name.split("/")
    return tuple("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _clash(name: str, parents: tuple[str, ...], spelled: dict[str, str], files: set[str], folders: set[str]) -> None:
    folded = name.casefold()
    if folded in files:
        raise UnsafePath(name, f"clashes with {spelled[folded]!r}: the same name")
    if folded in folders:
        raise UnsafePath(name, f"clashes with {spelled[folded]!r}: a file and a folder")
    for parent in parents:
        fold = parent.casefold()
        if fold in files:
            raise UnsafePath(name, f"clashes with {spelled[fold]!r}: a file and a folder")
        if spelled.get(fold, parent) != parent:
            raise UnsafePath(name, f"clashes with {spelled[fold]!r}: the same folder in other letters")
