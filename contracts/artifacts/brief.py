"""prompt_enhancement writes a Brief: what is wanted, made explicit."""

from __future__ import annotations

import msgspec

from .model import Entity, Kind, Operation


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence of the prompt, in its own words, numbered S-001…"""

    id: str
    text: str


class Brief(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The request in the factory's terms. `name` is a kebab-case slug that later names the package."""

    name: str
    title: str
    summary: str
    kind: Kind
    language: str
    statements: tuple[Statement, ...]
    entities: tuple[Entity, ...] = ()
    operations: tuple[Operation, ...] = ()
    assumptions: tuple[str, ...] = ()
    non_goals: tuple[str, ...] = ()
