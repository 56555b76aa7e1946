"""The capsule's files: which bytes, and which drop of which stage they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from contracts.artifacts import File, encode
from contracts.events import Input
from contracts.paths import UnsafePath, safe_paths
from workers.kit.capsule import FileEntry
from workers.kit.capsule.manifest import EVIDENCE, FOLDER

from .parts import Parts

Inputs = Mapping[str, Input]
_EVIDENCE = {
    "requirements": "requirements_parsing",
    "contract": "project_structure",
    "lock": "dependency_resolution",
    "validation": "semantic_validation",
    "security": "security_scanning",
    "performance": "performance_analysis",
    "tests": "test_execution",
}
GENERATING = ("documentation", "code_generation", "test_generation")


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """`bodies` by path, an origin for each; `left_out` says of each file that can't be delivered why."""

    bodies: Mapping[str, bytes]
    origins: tuple[FileEntry, ...]
    left_out: tuple[str, ...]


def contents(parts: Parts, inputs: Inputs) -> Contents:
    """Our own files first: no generated one can take the place of a lock or of evidence."""
    entries = [*_evidence(parts, inputs), *_locks(parts, inputs), *_generated(parts, inputs)]
    kept, left_out = _deliverable(entries)
    return Contents(
        bodies={origin.path: body for origin, body in kept},
        origins=tuple(origin for origin, _ in kept),
        left_out=left_out,
    )


Entry = tuple[FileEntry, bytes]


def _evidence(parts: Parts, inputs: Inputs) -> Iterator[Entry]:
    for name, stage in _EVIDENCE.items():
        body = msgspec.json.format(encode(getattr(parts, name))[0], indent=2) + b"\n"
        yield _origin(f"{EVIDENCE}/{name}.json", stage, inputs), body


def _locks(parts: Parts, inputs: Inputs) -> Iterator[Entry]:
    for path, text in (
        ("requirements.lock", parts.lock.requirements),
        ("requirements-dev.lock", parts.lock.requirements_dev),
    ):
        if not parts.lock.findings:
            yield _origin(path, "dependency_resolution", inputs), text.encode()


def _generated(parts: Parts, inputs: Inputs) -> Iterator[Entry]:
    written = (parts.docs.files, parts.tree.files, parts.suite.files)
    for stage, files in zip(GENERATING, written, strict=True):
        for file in files:
            yield _origin(file.path, stage, inputs, file), file.text.encode()


def _origin(path: str, stage: str, inputs: Inputs, file: File | None = None) -> FileEntry:
    revision = file.revision if file else inputs[stage].revision
    return FileEntry(
        path=path,
        sha256="",
        size=0,
        stage=stage,
        drop=f"{stage}.{revision}",
        artifact=inputs[stage].sha256,
        revision=revision,
        model=file.model if file else "",
        question=file.question if file else "",
    )


def _deliverable(entries: list[Entry]) -> tuple[list[Entry], tuple[str, ...]]:
    """Hostile names get here when no round of repair was left."""
    kept: list[Entry] = []
    left_out: list[str] = []
    for entry in entries:
        try:
            _check(entry[0], kept)
        except UnsafePath as error:
            left_out.append(f"The file {error}: it is not delivered.")
        else:
            kept.append(entry)
    return kept, tuple(left_out)


def _check(origin: FileEntry, kept: list[Entry]) -> None:
    if origin.stage in GENERATING and origin.path.partition("/")[0].casefold() == FOLDER:
        raise UnsafePath(origin.path, "lies in the folder of the proofs")
    safe_paths([*(other.path for other, _ in kept), origin.path])
