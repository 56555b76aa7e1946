"""An ended workflow as one file, `.qlx`: its row, events, drops, artifacts and ledger, to be read with no server.

A tar.gz in the form of a capsule: one order, no clock, so equal workflows give equal bytes. A file comes from anywhere:
our own reader takes it apart, and everything in it is checked before anything is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

import msgspec

from contracts import cloudevents
from contracts.events import Event, WorkflowCompleted
from contracts.paths import UnsafePath
from workers.kit.capsule.archive import BadArchive, pack
from workers.kit.capsule.reader import read as unpacked
from workers.kit.stores import recording
from workers.kit.stores.drops import DropRow, WorkflowRow
from workers.kit.stores.recording import BadRecording, Recording

T = TypeVar("T")

FORM = "quantumlayer-export"
VERSION = 1
MOST_EVENTS = 100_000
MANIFEST, WORKFLOW, EVENTS, DROPS, LEDGER = (
    "manifest.json",
    "workflow.json",
    "events.ndjson",
    "drops.json",
    "ledger.ndjson",
)
ARTIFACTS = "artifacts/"


class BadExport(ValueError):
    """The file is no export of ours, or was changed, or a workflow can't be written as one; one sentence says why."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """`events` are structured CloudEvents in the order in which they were written; `artifacts` are named by sha256."""

    workflow: WorkflowRow
    events: tuple[bytes, ...]
    drops: tuple[DropRow, ...]
    artifacts: Mapping[str, bytes]
    ledger: Recording

    def told(self) -> list[Event]:
        """The events, decoded; raises `BadExport`."""
        try:
            return [cloudevents.from_structured(body) for body in self.events]
        except cloudevents.BadEvent as error:
            raise BadExport(f"{EVENTS} holds {error}") from None


class _Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    form: str
    version: int
    workflow: str
    files: dict[str, str]


def write(exported: Exported) -> bytes:
    """The file; raises `BadExport` for a workflow that is larger than a reader takes."""
    files = {
        WORKFLOW: msgspec.json.encode(exported.workflow),
        EVENTS: b"".join(body + b"\n" for body in exported.events),
        DROPS: msgspec.json.encode(exported.drops),
    } | {ARTIFACTS + name: body for name, body in exported.artifacts.items()}
    try:
        files[LEDGER] = recording.write(exported.workflow.id, exported.ledger.entries)
        hashes = {path: _sha256(files[path]) for path in sorted(files)}
        manifest = _Manifest(form=FORM, version=VERSION, workflow=exported.workflow.id, files=hashes)
        return pack(exported.workflow.id, files | {MANIFEST: msgspec.json.encode(manifest)})
    except (BadArchive, UnsafePath, BadRecording) as error:
        raise BadExport(f"the workflow can't be written as one file: {error}") from None


def read(body: bytes) -> Exported:
    """What is in the file; raises `BadExport`."""
    try:
        folder, files = unpacked(body)
    except (BadArchive, UnsafePath) as error:
        raise BadExport(f"the file can't be read: {error}") from None
    manifest = _decoded(files.pop(MANIFEST, b""), _Manifest, MANIFEST)
    if (manifest.form, manifest.version, manifest.workflow) != (FORM, VERSION, folder):
        raise BadExport(f"the file is not a {FORM} of version {VERSION}, or not of the workflow that it names")
    _check_files(manifest, files)
    try:
        ledger = recording.read(files[LEDGER])
    except BadRecording as error:
        raise BadExport(f"{LEDGER}: {error}") from None
    lines = files[EVENTS].splitlines()
    if len(lines) > MOST_EVENTS:
        raise BadExport(f"{EVENTS} holds more than {MOST_EVENTS} events")
    found = Exported(
        workflow=_decoded(files[WORKFLOW], WorkflowRow, WORKFLOW),
        events=tuple(lines),
        drops=_decoded(files[DROPS], tuple[DropRow, ...], DROPS),
        artifacts={path.removeprefix(ARTIFACTS): b for path, b in files.items() if path.startswith(ARTIFACTS)},
        ledger=ledger,
    )
    _check_whose(found, folder)
    return found


def _check_files(manifest: _Manifest, files: Mapping[str, bytes]) -> None:
    needed = {WORKFLOW, EVENTS, DROPS, LEDGER}
    if missing := sorted((manifest.files.keys() | needed) - files.keys()):
        raise BadExport(f"{missing[0][:120]!a} is missing")
    if strange := sorted(files.keys() - manifest.files.keys()):
        raise BadExport(f"{strange[0][:120]!a} is not in the manifest")
    for path, body in sorted(files.items()):
        digest = _sha256(body)
        if digest != manifest.files[path] or (path.startswith(ARTIFACTS) and path != ARTIFACTS + digest):
            raise BadExport(f"{path[:120]!a} was changed: its sha256 is not the one that it was written with")
        if path not in needed and not path.startswith(ARTIFACTS):
            raise BadExport(f"{path[:120]!a} is no part of an export")


def _check_whose(found: Exported, folder: str) -> None:
    """Everything is of one workflow, and every artifact that a drop names is there."""
    events = found.told()
    named = {drop.workflow for drop in found.drops} | {event.data.workflow for event in events}
    if named | {found.workflow.id, found.ledger.workflow} != {folder}:
        raise BadExport("it holds something of another workflow")
    if {event.data.tenant for event in events} - {found.workflow.tenant}:
        raise BadExport("it holds something of another tenant")
    for event in events:
        _check_time(event)
    for drop in found.drops:
        if drop.artifact is not None and drop.artifact.sha256 not in found.artifacts:
            raise BadExport(f"the artifact of {drop.stage[:80]!a} {drop.revision} is missing")


def _check_time(event: Event) -> None:
    try:
        known = datetime.fromisoformat(event.time).tzinfo
    except ValueError:
        known = None
    if known is None:
        raise BadExport(f"the time of {event.id[:200]!a} is no moment")


def missing_events(events: Iterable[Event], drops: Iterable[DropRow]) -> list[str]:
    """The drops that ended and of which no event tells, or another artifact."""
    told = {(e.parts.stage, e.parts.revision): getattr(getattr(e.data, "artifact", None), "sha256", "") for e in events}
    return [
        f"{drop.stage} {drop.revision}"
        for drop in drops
        if drop.state in {"completed", "rejected"}
        and drop.artifact is not None
        and told.get((drop.stage, drop.revision)) != drop.artifact.sha256
    ]


def _decoded(body: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadExport(f"{where} can't be read: {error}") from None


def _sha256(body: bytes) -> str:
    return sha256(body).hexdigest()


def capsule_of(found: Exported) -> bytes | None:
    """The bytes of the capsule, that `workflow.completed` names; None where it did not complete."""
    ends = [event.data for event in found.told() if isinstance(event.data, WorkflowCompleted)]
    return found.artifacts.get(ends[-1].sha256) if ends else None
