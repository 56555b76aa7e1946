"""requirements_parsing writes Requirements: atomic claims, each with a way to observe it."""

from __future__ import annotations

from typing import Literal

import msgspec

from .model import Entity, Kind, Operation


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """One observable example (A-001…) of a requirement."""

    id: str
    given: str
    when: str
    then: str
    observable: Literal["stdout", "exit", "http", "return", "file"]


class Requirement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One testable claim (R-001…). `source` is the id of the FRD item it comes from; `assumed`: nobody asked for it."""

    id: str
    kind: Literal["function", "data", "interface", "quality", "constraint"]
    text: str
    priority: Literal["must", "should", "could"]
    acceptance: tuple[Acceptance, ...]
    source: str = ""
    assumed: bool = False
    depends_on: tuple[str, ...] = ()
    entity: str = ""
    operation: str = ""


class Requirements(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All claims, and the data model in which they are phrased."""

    name: str
    title: str
    summary: str
    kind: Kind
    language: str
    requirements: tuple[Requirement, ...]
    entities: tuple[Entity, ...] = ()
    operations: tuple[Operation, ...] = ()
    non_goals: tuple[str, ...] = ()
