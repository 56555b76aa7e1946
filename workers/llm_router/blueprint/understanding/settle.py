"""Drafts become the brief's entities: every field gets a type and legal bounds, every entity at least one field."""

from __future__ import annotations

import json
import keyword
import math

from contracts.artifacts.model import Entity, Field

from .draft import MAX_FIELDS, Draft, EntityDraft, FieldDraft
from .fieldtypes import type_of
from .inflect import camel, snake
from .lexicon.words import AUXILIARIES
from .phrases import number

MAX_NAME = 60
_RESERVED_FIELDS = frozenset({"id", "self", "cls", "metadata", "registry", "model_config", "json", "copy"})
_RESERVED_ENTITIES = frozenset({"True", "False", "None", "Exception", "Error", "BaseModel", "Path", "Any", "Enum"})


def fields_of(draft: EntityDraft) -> dict[str, FieldDraft]:
    """The fields by the names that they will have."""
    named: dict[str, FieldDraft] = {}
    for field in draft.fields.values():
        name = field_name(field.name)
        if name and name not in named and len(named) < MAX_FIELDS:
            named[name] = field
    return named


def field_name(name: str) -> str:
    """A legal identifier that is neither a keyword nor taken; '' for the id, which every entity has."""
    name = name[:MAX_NAME].strip("_")
    if not name or name == "id" or name in AUXILIARIES:
        return ""
    if name[0].isdigit():
        name = f"n{name}"
    return (
        f"{name}_name"
        if name == "class"
        else f"{name}_value"
        if keyword.iskeyword(name) or (keyword.issoftkeyword(name) and name != "type") or name in _RESERVED_FIELDS
        else name
    )


def entity_name(words: tuple[str, ...]) -> str:
    name = camel(words)[:MAX_NAME]
    if not name or not name[0].isalpha():
        name = f"Item{name}"
    return f"{name}Record" if name in _RESERVED_ENTITIES else name


def settle(draft: Draft) -> tuple[Entity, ...]:
    """Every entity in its final form."""
    return tuple(_entity(entity, draft) for entity in draft.entities.values())


def _entity(draft: EntityDraft, whole: Draft) -> Entity:
    name = entity_name(draft.words)
    fields = tuple(_field(key, field, whole) for key, field in fields_of(draft).items())
    if not fields:
        whole.assume(f"{name} has a name, since no fields were described for it.")
        fields = (Field(name="name"),)
    plural = snake((draft.plural,))[:MAX_NAME].strip("_")
    return Entity(name=name, plural=f"{plural}_records" if keyword.iskeyword(plural) else plural, fields=fields)


def _field(name: str, draft: FieldDraft, whole: Draft) -> Field:
    kind = type_of(draft)
    target = whole.find(draft.references) if kind == "reference" else None
    if kind == "reference" and target is None:
        kind = "text"
    low, high = _bounds(draft, kind)
    choices = tuple(value[:MAX_NAME] for value in draft.choices[:20]) if kind == "enum" else ()
    default = _default(draft, kind, choices)
    return Field(
        name=name,
        type=kind,
        required=draft.required if draft.required is not None else not default,
        unique=draft.unique,
        minimum=low,
        maximum=high,
        choices=choices,
        references=entity_name(target.words) if target else "",
        default=default,
    )


def _bounds(draft: FieldDraft, kind: str) -> tuple[float | None, float | None]:
    """Inclusive bounds; 'greater than 0' is 1 for a whole number and 0.01 for another."""
    if kind not in ("integer", "number", "text"):
        return None, None
    step = 0.01 if kind == "number" else 1.0
    low = draft.minimum if draft.above is None else draft.above + step
    high = draft.maximum if draft.below is None else draft.below - step
    low, high = (None if value is None or not math.isfinite(value) else value for value in (low, high))
    if kind == "text":
        low = low if low and low > 0 else None
        high = high if high and high >= 1 else None
    return (low, high) if low is None or high is None or low <= high else (None, None)


def _default(draft: FieldDraft, kind: str, choices: tuple[str, ...]) -> str:
    """The default as JSON, where it is one that the type allows."""
    said = draft.default.strip("\"'` ").lower()
    if not said:
        return ""
    if kind == "boolean":
        known = {"true": "true", "yes": "true", "false": "false", "no": "false", "off": "false", "on": "true"}
        return known.get(said, "")
    if kind in ("integer", "number"):
        value = number(said)
        return "" if value is None else json.dumps(int(value) if kind == "integer" else value)
    if kind == "enum":
        close = [choice for choice in choices if choice == snake((said,)) or choice.startswith(snake((said,)))]
        return json.dumps(close[0]) if close else ""
    return json.dumps(said) if kind == "text" and said not in ("empty", "none", "null") else ""
