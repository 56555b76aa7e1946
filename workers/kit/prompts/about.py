"""What a task is about, read off its inputs: the topic that its role is picked for.

A stranger's words may decide which of our roles answers (`WORDS` below), and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from contracts.artifacts import Brief, Contract, ContractFile, Finding, Frd, Requirements, Submission, TestPlan

from .roles import roles
from .topic import Topic

LONG = 3_000
"""Characters from which a prompt is a specification rather than a wish."""

FIXTURES = "tests/conftest.py"

WORDS: Mapping[str, re.Pattern[str]] = {
    "security": re.compile(
        r"\b(?:passwords?|secrets?|tokens?|log ?in|authenticat\w+|authori[sz]\w+|encrypt\w*|untrusted)\b"
    ),
    "concurrency": re.compile(
        r"\b(?:concurren\w+|parallel|threads?|threadsafe|simultaneous\w*|async\w*|race conditions?)\b"
    ),
    "performance": re.compile(
        r"\b(?:performance|latency|throughput|milliseconds?|per second|large files?|streaming)\b"
    ),
}
"""Tags by the words of requirements, or of a prompt."""

_SECURITY_RULE = re.compile(r"B\d{3}|secret")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")


def topic_of(inputs: Mapping[str, object], revision: int = 1) -> Topic:
    """Of a stage's inputs, as artifacts; what they do not say stays empty."""
    described = _described(inputs)
    file = _file(inputs)
    # A repair is about its findings, whatever else the file is about.
    tags = _repair(inputs, revision) or {*_place(inputs), *_shape(described, file), *_subjects(inputs, file)}
    return Topic(
        language=_word(file.language if file else getattr(described, "language", "")),
        layer=_layer(file) if file else "",
        framework=_framework(described, file),
        kind=_word(getattr(described, "kind", "")),
        tags=tuple(sorted(tags)),
    )


def _described(inputs: Mapping[str, object]) -> Submission | Brief | Frd | Requirements | Contract | None:
    for name in ("contract", "requirements", "frd", "brief", "submission"):
        found = inputs.get(name)
        if isinstance(found, Submission | Brief | Frd | Requirements | Contract):
            return found
    return None


def _file(inputs: Mapping[str, object]) -> ContractFile | None:
    contract, path = inputs.get("contract"), inputs.get("path")
    if not isinstance(contract, Contract):
        return None
    return next((file for file in contract.files if file.path == path), None)


def _layer(file: ContractFile) -> str:
    """What the file is called tells more than its layer, where there is a role for that: errors.py of the domain."""
    stem = _word(PurePosixPath(file.path).stem)
    return stem if any(stem in role.layers for role in roles().values()) else _word(file.layer)


def _framework(described: object, file: ContractFile | None) -> str:
    """The first import that a role is made for."""
    known = {name for role in roles().values() for name in role.frameworks}
    if file is not None:
        imported: Iterable[str] = file.external
    elif isinstance(described, Contract):
        imported = (module for package in described.packages for module in package.modules)
    else:
        imported = ()
    return next((name for name in imported if name in known), "")


def _repair(inputs: Mapping[str, object], revision: int) -> set[str]:
    findings = inputs.get("findings")
    if "previous" not in inputs or not isinstance(findings, tuple | list):
        return set()
    tags = {"repair"}
    if revision > 2:
        tags.add("again")
    if any(isinstance(one, Finding) and _SECURITY_RULE.fullmatch(one.rule) for one in findings):
        tags.add("unsafe")
    return tags


def _place(inputs: Mapping[str, object]) -> set[str]:
    """What a test file is for."""
    plan, path = inputs.get("plan"), inputs.get("path")
    tags = {"fixtures"} if path == FIXTURES else set()
    if isinstance(plan, TestPlan):
        planned = [test for test in plan.tests if test.path == path]
        if planned and sum(test.kind != "behaviour" for test in planned) * 2 > len(planned):
            tags.add("boundary")
    return tags


def _shape(described: object, file: ContractFile | None) -> set[str]:
    """What sort of software it is."""
    tags = set()
    operations = getattr(described, "operations", ())
    if operations and all(operation.name == "function" for operation in operations):
        tags.add("computation")
    if any(operation.name == "transition" for operation in operations):
        tags.add("transition")
    if file is not None and file.entry:
        tags.add("entry")
    if isinstance(described, Submission) and len(described.prompt) > LONG:
        tags.add("long")
    return tags


def _subjects(inputs: Mapping[str, object], file: ContractFile | None) -> set[str]:
    text = "\n".join(_texts(inputs, file)).lower()
    return {tag for tag, words in WORDS.items() if words.search(text)}


def _texts(inputs: Mapping[str, object], file: ContractFile | None) -> Iterable[str]:
    """The sentences that tell what is wanted: of a file only those that it serves."""
    for value in inputs.values():
        match value:
            case Submission():
                yield value.prompt
            case Brief():
                yield from (statement.text for statement in value.statements)
            case Frd():
                yield from (item.text for item in value.items)
            case Requirements():
                yield from (one.text for one in value.requirements if file is None or one.id in file.requirement_ids)
            case _:
                pass


def _word(text: str) -> str:
    """As roles spell it; '' for what none of them could name."""
    lowered = text.strip().lower().replace("-", "_").replace(" ", "_")
    return lowered if _WORD.fullmatch(lowered) else ""
