"""What points to what, once every description is read: fields that name an entity, and 'has many'."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft, EntityDraft, FieldDraft
from .fieldtypes import type_of
from .inflect import is_plural, singular
from .items import seems_many
from .phrases import noun_phrase
from .text import Unit
from .verbs import phrase_before

_MANY = frozenset({"many", "several", "multiple", "any", "more", "zero", "lots", "various", "some"})
_HOLDS = frozenset(
    {"has", "have", "can", "contains", "contain", "includes", "with", "hold", "holds", "owns", "consists"}
)


def settle_relations(units: Sequence[Unit], draft: Draft) -> None:
    """Make references of the fields that are named like an entity, and of lists of other things."""
    for entity in list(draft.entities.values()):
        for name, field in list(entity.fields.items()):
            if field.references:
                _settle_reference(field, draft)
                if field.fleeting and not field.references:
                    del entity.fields[name]
            elif (target := _target(field, draft)) is not None:
                if seems_many(field) and target is not entity:
                    del entity.fields[name]
                    _point_back(entity, target)
                elif field.type is None and not field.choices:
                    field.type, field.references = "reference", target.words
        entity.rename()
    for unit in units:
        for at, word in enumerate(unit.words):
            if word in _MANY and set(unit.words[max(0, at - 5) : at]) & _HOLDS:
                _has_many(unit.words, at, draft)


def prune(units: Sequence[Unit], draft: Draft) -> None:
    """Drop what was named in passing: nothing is done to it, nothing points to it, and little is said of it."""
    pointed = {field.references for entity in draft.entities.values() for field in entity.fields.values()}
    for key, entity in list(draft.entities.items()):
        if entity.acted or (entity.firm and entity.fields) or entity.words in pointed or len(draft.entities) == 1:
            continue
        named = sum(singular(word) == entity.words[-1] for unit in units for word in unit.words)
        vague = all(
            field.type is None and not field.choices and type_of(field) == "text" for field in entity.fields.values()
        )
        if not entity.fields or (named < 2 and vague and len(entity.fields) < 3 and not _labelled(units, entity)):
            del draft.entities[key]


def _labelled(units: Sequence[Unit], entity: EntityDraft) -> bool:
    """Whether a line begins with its name: then it was meant."""
    return any(set(map(singular, unit.words[: len(entity.words) + 1])) & {entity.words[-1]} for unit in units)


def _settle_reference(field: FieldDraft, draft: Draft) -> None:
    target = draft.find(field.references) or (None if field.weak else draft.entity(field.references))
    if target is None or (field.weak and not (target.described or target.acted)):
        field.references, field.type = (), None
        return
    if field.words[-1] == "id" and len(field.words) > 1:
        field.words = field.words[:-1]
    field.references, field.type = target.words, "reference"


def _target(field: FieldDraft, draft: Draft) -> EntityDraft | None:
    """The entity that a field means by its name: 'author', 'author id', 'white player'."""
    words = field.words
    if "of" in words:
        return None
    if words[-1] == "id" and len(words) > 1 and (found := draft.exact(words[:-1])):
        field.words = words[:-1]
        return found
    if found := draft.exact(words):
        return found
    found = draft.entities.get(singular(words[-1]))
    return found if found is not None and len(words) == 2 and found.described else None


def _has_many(words: Sequence[str], at: int, draft: Draft) -> None:
    """'a project has many tasks': each task gets a reference to its project."""
    nouns, _ = noun_phrase(words, at + 1)
    target = draft.find(nouns) if nouns and is_plural(nouns[-1]) else None
    place = at
    while place > 0 and words[place - 1] not in _HOLDS:
        place -= 1
    while place > 0 and words[place - 1] in _HOLDS | {"also", "may", "have"}:
        place -= 1
    owner = draft.find(phrase_before(words, place))
    if owner is not None and target is not None and target is not owner:
        _point_back(owner, target)


def _point_back(owner: EntityDraft, target: EntityDraft) -> None:
    """Each target belongs to an owner, unless one of both points to the other already."""
    pairs = ((target, owner), (owner, target))
    if not any(field.references == other.words for one, other in pairs for field in one.fields.values()):
        target.add(FieldDraft(owner.words, type="reference", references=owner.words))
