"""`.quantumlayer/manifest.json`: what is in a capsule, who made it, what it proves. No clock, tenant or workflow."""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts.artifacts import Grade

SCHEMA = 1
FOLDER = ".quantumlayer"
MANIFEST = f"{FOLDER}/manifest.json"
MANIFEST_SHA256 = f"{FOLDER}/manifest.sha256"
EVIDENCE = f"{FOLDER}/evidence"

Verdict = Literal["proven", "failed", "untested", "not_run"]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `drop` (`<stage>.<revision>`) made it; `artifact` is the sha256 of the stage's due artifact.

    `model` wrote it in answer to the ledger's `question`; both are '' where no model was asked.
    """

    path: str
    sha256: str
    size: int
    stage: str
    drop: str
    artifact: str
    revision: int = 1
    model: str = ""
    question: str = ""


class TraceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """From a requirement to the files that serve it, the tests that prove it, and what they say."""

    requirement: str
    text: str
    priority: str
    verdict: Verdict
    files: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


class StageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The drop of one stage that this capsule was made from."""

    stage: str
    revision: int
    artifact: str
    unmet: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`unmet` are the ids of the requirements that no passing test proves."""

    schema: int = SCHEMA
    name: str
    title: str
    kind: str
    language: str
    grade: Grade
    reasons: tuple[str, ...]
    unmet: tuple[str, ...]
    stages: tuple[StageEntry, ...]
    trace: tuple[TraceEntry, ...]
    files: tuple[FileEntry, ...]


def encode(manifest: Manifest) -> bytes:
    """As people read it; equal manifests give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(body: bytes) -> Manifest:
    """Raises `ValueError` with the reason, also for a manifest of a later form."""
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"can't be read: {error}") from None
    if manifest.schema != SCHEMA:
        raise ValueError(f"is of form {manifest.schema}, and only {SCHEMA} is known here")
    return manifest
