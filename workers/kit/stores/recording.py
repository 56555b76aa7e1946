"""A workflow's ledger as one file: lines of JSON in one order, so that a recorded run is a test that needs no key.

The first line tells the form and how many entries follow; each entry is found under the sha256 of what was asked. Equal
ledgers give equal bytes. A file comes from anywhere: everything in it is checked before anything is believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import TypeVar

import msgspec

from .calls import Entry
from .news import MAX_ERROR

T = TypeVar("T")

FORM = "quantumlayer-ledger"
VERSION = 1
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_ENTRIES = 100_000
MAX_NAME = 200
MAX_COUNT = 2**31 - 1
MAX_COST = 1e6
_FINISHES = {"stop", "length"}
_NAMES = ("model", "provider", "stage", "task", "role", "schema_name")


class BadRecording(ValueError):
    """A file is no recording of ours, or was changed; the message is one sentence that says where."""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """The entries that a workflow used, by question."""

    workflow: str
    entries: tuple[Entry, ...]


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    form: str
    version: int
    workflow: str
    entries: int


class _Line(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry, and the sha256 of its answer: what was asked is protected by the entry's name, the answer by this."""

    answer_sha256: str


def write(workflow: str, entries: Iterable[Entry]) -> bytes:
    """The file. Raises `BadRecording` for an answer that is no Unicode text."""
    ordered = sorted(entries, key=lambda entry: entry.question)
    head = _Head(form=FORM, version=VERSION, workflow=workflow, entries=len(ordered))
    try:
        lines = [msgspec.json.encode(head), *(msgspec.json.encode(_line(entry)) for entry in ordered)]
    except UnicodeEncodeError as error:
        raise BadRecording(f"an answer of {workflow} holds half of a surrogate pair: {error.reason}") from None
    return b"\n".join(lines) + b"\n"


def _line(entry: Entry) -> _Line:
    return _Line(**msgspec.structs.asdict(entry), answer_sha256=_sha256(entry.answer))


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def read(body: bytes) -> Recording:
    """The recording in a file; raises `BadRecording`."""
    if len(body) > MAX_FILE_BYTES:
        raise BadRecording(f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
    first, *lines = body.removesuffix(b"\n").split(b"\n", MAX_ENTRIES + 1)
    head = _decoded(first, _Head, "its first line")
    if head.form != FORM or head.version != VERSION:
        raise BadRecording(f"the file is not a {FORM} of version {VERSION}")
    if len(lines) != head.entries or len(lines) > MAX_ENTRIES:
        raise BadRecording(f"the file holds {len(lines)} entries, but its first line tells of {head.entries}")
    _check_name("workflow", head.workflow, "its first line")
    entries = tuple(_entry(line, f"entry {place}") for place, line in enumerate(lines, 1))
    questions = [entry.question for entry in entries]
    if questions != sorted(set(questions)):
        raise BadRecording("the file's entries are not in order, or one stands there twice")
    return Recording(workflow=head.workflow, entries=entries)


def _entry(line: bytes, where: str) -> Entry:
    found = _decoded(line, _Line, where)
    if sha256(found.asked.encode()).hexdigest() != found.question:
        raise BadRecording(f"{where} does not hold the question that it is named by")
    if _sha256(found.answer) != found.answer_sha256:
        raise BadRecording(f"{where} holds another answer than the one that was recorded")
    if len(found.instead) > MAX_ERROR or "\0" in found.instead:
        raise BadRecording(f"{where} has a reason for a stand-in that no call can have")
    for name in _NAMES:
        _check_name(name, getattr(found, name), where)
    counts = (found.tokens_in, found.tokens_out, found.revision)
    if not (all(0 <= count <= MAX_COUNT for count in counts) and 0 <= found.cost <= MAX_COST):
        raise BadRecording(f"{where} holds a number that no call can have")
    if found.finish_reason not in _FINISHES:
        raise BadRecording(f"{where} has the unknown finish {found.finish_reason[:20]!a}")
    fields = msgspec.structs.asdict(found)
    del fields["answer_sha256"]
    return Entry(**fields)


def _decoded(line: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRecording(f"{where} can't be read: {error}") from None


def _check_name(field: str, text: str, where: str) -> None:
    if len(text) > MAX_NAME or not text.isprintable():
        raise BadRecording(f"{where} has a {field} that no call can have")
