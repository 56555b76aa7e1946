"""From each requirement to the files that serve it, the tests that prove it, and their verdict."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.artifacts import Requirement
from workers.kit.capsule import TraceEntry, Verdict

from .parts import Parts


def trace(parts: Parts) -> tuple[TraceEntry, ...]:
    return tuple(_entry(requirement, parts) for requirement in parts.requirements.requirements)


def unmet(entries: tuple[TraceEntry, ...]) -> tuple[str, ...]:
    """The requirements that no passing test proves."""
    return tuple(entry.requirement for entry in entries if entry.verdict != "proven")


def _entry(requirement: Requirement, parts: Parts) -> TraceEntry:
    return TraceEntry(
        requirement=requirement.id,
        text=requirement.text,
        priority=requirement.priority,
        verdict=_verdict(requirement.id, parts),
        files=tuple(file.path for file in parts.contract.files if requirement.id in file.requirement_ids),
        tests=tuple(dict.fromkeys(_tests(requirement.id, parts))),
    )


def _tests(name: str, parts: Parts) -> Iterator[str]:
    """As they ran; as they were planned where nothing ran."""
    if parts.tests.verdict == "not_run":
        yield from (f"{test.path}::{test.function}" for test in parts.suite.tests if name in test.requirement_ids)
    else:
        yield from (result.node for result in parts.tests.results if name in result.requirement_ids)


def _verdict(name: str, parts: Parts) -> Verdict:
    if parts.tests.verdict == "not_run":
        return "not_run"
    outcomes = {result.outcome for result in parts.tests.results if name in result.requirement_ids}
    if outcomes & {"failed", "error"}:
        return "failed"
    return "proven" if "passed" in outcomes else "untested"
