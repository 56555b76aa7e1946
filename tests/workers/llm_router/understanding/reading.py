"""What a test looks at: the brief of a prompt, and its parts by name."""

from __future__ import annotations

from contracts.artifacts.brief import Brief
from contracts.artifacts.model import Entity, Field, Operation
from contracts.artifacts.submission import Submission
from workers.llm_router.blueprint.understanding import Refusal, understand


def read(prompt: str) -> Brief:
    brief = understand(Submission(prompt=prompt))
    assert not isinstance(brief, Refusal), brief.sentence
    return brief


def refused(prompt: str, language: str = "python") -> str:
    refusal = understand(Submission(prompt=prompt, language=language))
    assert isinstance(refusal, Refusal), refusal
    return refusal.sentence


def entity(prompt: str, name: str = "") -> Entity:
    found = {entity.name: entity for entity in read(prompt).entities}
    return found[name] if name else next(iter(found.values()))


def field(prompt: str, name: str, owner: str = "") -> Field:
    return {field.name: field for field in entity(prompt, owner).fields}[name]


def types(prompt: str, owner: str = "") -> dict[str, str]:
    return {field.name: field.type for field in entity(prompt, owner).fields}


def operations(prompt: str, owner: str) -> set[str]:
    return {operation.name for operation in read(prompt).operations if operation.entity == owner}


def operation(prompt: str, name: str, owner: str = "") -> Operation:
    return next(found for found in read(prompt).operations if found.name == name and owner in ("", found.entity))
