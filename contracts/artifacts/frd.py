"""frd_generation writes an Frd: the functional requirements document, as people read it."""

from __future__ import annotations

import msgspec

from .model import Entity, Kind, Operation


class FrdItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One numbered demand (F-001…). `statements` are the sentences of the prompt it answers; none: it is assumed."""

    id: str
    section: str
    text: str
    rationale: str = ""
    statements: tuple[str, ...] = ()


class Frd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sections in reading order, and the data model they speak of."""

    name: str
    title: str
    summary: str
    kind: Kind
    language: str
    items: tuple[FrdItem, ...]
    entities: tuple[Entity, ...] = ()
    operations: tuple[Operation, ...] = ()
    assumptions: tuple[str, ...] = ()
    non_goals: tuple[str, ...] = ()
