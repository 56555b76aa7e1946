"""Reads what the run wrote. Code under test could have written it as well, so nothing in it is taken on trust."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from contracts.artifacts import FileCoverage

_MAX_RECORDS = 20_000
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")
_PLACE = re.compile(r"/(?:w|tmp|python|usr|dev/shm)/[^\s'\",:)\]]*")
_SECONDS = re.compile(r"\b\d+(?:\.\d+)?\s?(?:s|ms|seconds?)\b")
_LINES, _LETTERS = 8, 600

Frame = tuple[str, int]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the results. `frames` are outermost first, as the interpreter names them."""

    kind: Literal["start", "result", "collect", "end"]
    node: str = ""
    when: str = ""
    outcome: str = ""
    error: str = ""
    message: str = ""
    frames: tuple[Frame, ...] = ()
    status: int = -1


class _Summary(msgspec.Struct):
    num_statements: int
    covered_lines: int


class _File(msgspec.Struct):
    summary: _Summary


class _Coverage(msgspec.Struct):
    files: dict[str, _File]


def records(body: bytes) -> list[Record]:
    """Lines that are no record are passed over; a last one may be cut off."""
    found = []
    for line in body.splitlines()[:_MAX_RECORDS]:
        try:
            found.append(msgspec.json.decode(line, type=Record))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


def coverage(body: bytes | None, paths: Iterable[str]) -> tuple[FileCoverage, ...]:
    """Of the package's own files; empty when nothing could be measured."""
    try:
        told = msgspec.json.decode(body or b"", type=_Coverage).files
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    known = set(paths)
    return tuple(
        FileCoverage(path=path, lines=file.summary.num_statements, covered=file.summary.covered_lines)
        for path, file in sorted(told.items())
        if path in known and 0 <= file.summary.covered_lines <= file.summary.num_statements
    )


def node_name(node: str) -> str:
    """Without the parameters."""
    return node.partition("[")[0]


def own_frames(record: Record, paths: Mapping[str, str]) -> list[Frame]:
    """The frames that are in files of the package or its tests, under their own names."""
    found = []
    for place, line in record.frames:
        name = place.removeprefix("/w/project/")
        path = name if name in paths.values() else paths.get(name.rpartition("/site-packages/")[2], "")
        if path:
            found.append((path, max(line, 0)))
    return found


def plain(text: str) -> str:
    """A text that is the same for every run: no place, no address, no duration; short."""
    lines = [line.rstrip() for line in text.strip().splitlines()[:_LINES]]
    told = _ADDRESS.sub("0x…", _SECONDS.sub("… s", _PLACE.sub(_inner, "\n".join(lines))))
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in told)[:_LETTERS]


def _inner(match: re.Match[str]) -> str:
    return match[0].removeprefix("/w/project/") if match[0].startswith("/w/project/") else "…"
