"""Which thing points to which: 'belongs to', 'has many', 'is assigned to' and their kin."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft, EntityDraft, FieldDraft
from .inflect import is_plural, singular
from .items import seems_many
from .lexicon.words import SYSTEM_NOUNS
from .phrases import noun_phrase, phrase_before
from .text import Unit

_TO_ONE = (
    ("belongs", "to"), ("belong", "to"), ("belonging", "to"), ("assigned", "to"), ("linked", "to"), ("part", "of"), ("owned", "by"),
    ("written", "by"), ("placed", "by"), ("tied", "to"), ("attached", "to"), ("relates", "to"), ("related", "to"),
    ("associated", "with"), ("refers", "to"), ("references",), ("connected", "to"), ("posted", "by"), ("points", "to"),
    ("filed", "under"), ("stored", "in"), ("taught", "by"), ("created", "by"), ("grouped", "into"), ("lives", "in"),
    ("located", "in"), ("links", "to"), ("issued", "to"), ("made", "by"), ("led", "by"), ("links", "a"), ("goes", "to"),
    ("published", "by"), ("connects", "a"), ("joins", "a"), ("taken", "by"), ("works", "for"), ("works", "in"), ("sits", "in"), ("falls", "under"), ("is", "for", "a"), ("is", "for", "one"), ("are", "for", "a"), ("is", "in", "a"), ("is", "on", "a"), ("is", "about", "a"), ("is", "of", "a"), ("happens", "in"), ("takes", "place", "in"), ("supplied", "by"), ("reserved", "by"), ("made", "for"), ("held", "in"), ("given", "by"), ("run", "by"), ("booked", "by"), ("borrowed", "by"), ("managed", "by"), ("performed", "by"), ("reported", "by"), ("kept", "in"), ("for", "a", "single"), ("for", "exactly", "one"), ("hangs", "off"), ("relate", "to"), ("refer", "to"), ("pointing", "to"),
)  # fmt: skip
_MANY = frozenset({"many", "several", "multiple", "any", "more", "zero", "lots", "various"})


def relate(units: Sequence[Unit], draft: Draft) -> None:
    """Add the references that sentences state."""
    for unit in units:
        words = unit.words
        for at in range(len(words)):
            for phrase in _TO_ONE:
                if words[at] == phrase[0] and tuple(words[at : at + len(phrase)]) == phrase:
                    _to_one(words, at, at + len(phrase) - (phrase[-1] in ("a", "one")), draft, unit)
            if words[at] in _MANY and words[max(0, at - 3) : at]:
                _has_many(words, at, draft)


def _to_one(words: Sequence[str], at: int, after: int, draft: Draft, unit: Unit) -> None:
    subject = _entity_before(words, at, draft) or _head_entity(unit, draft)
    if subject is None:
        return
    place = after
    while True:
        nouns, end = noun_phrase(words, place)
        if not nouns or nouns[-1] in SYSTEM_NOUNS - {"person", "people"}:
            return
        if draft.find(nouns) is None and is_plural(nouns[-1]) and words[at] != "belong":
            return
        target = draft.find(nouns) or draft.entity(tuple(nouns[-2:]))
        if target is not None and not _refers(subject, target):
            subject.fields.pop("belongs", None)
            subject.add(FieldDraft(target.words, type="reference", references=target.words))
            subject.described = True
        if words[end : end + 1] != ["and"] or words[end + 1 : end + 2] not in (["a"], ["an"], ["one"], ["the"], ["to"]):
            return
        place = end + 1 + (words[end + 1] == "to")


def _has_many(words: Sequence[str], at: int, draft: Draft) -> None:
    """'a project has many tasks': each task gets a reference to its project."""
    if not set(words[max(0, at - 5) : at]) & {
        "has",
        "have",
        "can",
        "contains",
        "contain",
        "includes",
        "with",
        "hold",
        "holds",
    }:
        return
    nouns, _ = noun_phrase(words, at + 1)
    owner = _entity_before(words, at, draft)
    if owner is None or not nouns or not is_plural(nouns[-1]):
        return
    target = draft.find(nouns)
    if target is None or target is owner:
        return
    point_back(owner, target)


def point_back(owner: EntityDraft, target: EntityDraft) -> None:
    """Each target belongs to an owner."""
    if not _refers(target, owner) and not _refers(owner, target):
        target.add(FieldDraft(owner.words, type="reference", references=owner.words))


def _refers(subject: EntityDraft, target: EntityDraft) -> bool:
    return any(
        field.references and field.references[-1] == target.words[-1] or (name == target.key)
        for name, field in subject.fields.items()
        if (field.references or name == target.key) and _point(field, target)
    )


def _point(field: FieldDraft, target: EntityDraft) -> bool:
    if field.name == target.key and not field.references:
        field.references, field.type = target.words, "reference"
    return True


def _entity_before(words: Sequence[str], at: int, draft: Draft) -> EntityDraft | None:
    """The nearest known entity to the left; of a sentence's subject rather than of its objects."""
    found: EntityDraft | None = None
    for place in range(at, 0, -1):
        nouns = phrase_before(words, place)
        if nouns and (entity := draft.exact(nouns) or draft.exact(nouns[-1:])):
            subject = place - len(nouns) == 0 or words[place - len(nouns) - 1] in (
                "a",
                "an",
                "each",
                "every",
                "the",
                ".",
                ",",
                "and",
            )
            if found is None or subject:
                found = entity
            if subject:
                break
    return found


def _head_entity(unit: Unit, draft: Draft) -> EntityDraft | None:
    head = unit.head
    while head is not None:
        nouns, _ = noun_phrase(head.words, 0)
        if nouns and (entity := draft.find(nouns)):
            return entity
        head = head.head
    return draft.current or next(iter(draft.entities.values()), None)


def settle_relations(draft: Draft) -> None:
    """Fields that are named like an entity point to it; several of them are seen from the other side."""
    for entity in list(draft.entities.values()):
        for name, field in list(entity.fields.items()):
            if field.references:
                _settle_reference(entity, field, draft)
                continue
            target = _target(field, draft)
            if target is None:
                continue
            if seems_many(field) and target is not entity:
                del entity.fields[name]
                point_back(entity, target)
            elif field.type is None and not field.choices:
                field.type, field.references = "reference", target.words


def _settle_reference(entity: EntityDraft, field: FieldDraft, draft: Draft) -> None:
    target = draft.find(field.references) or draft.entity(field.references)
    if target is None:
        field.references, field.type = (), None
        return
    if field.words[-1] == "id" and len(field.words) > 1:
        field.words = field.words[:-1]
        entity.fields = {value.name: value for value in entity.fields.values()}
    field.references, field.type = target.words, "reference"


def _target(field: FieldDraft, draft: Draft) -> EntityDraft | None:
    words = field.words
    if words[-1] == "id" and len(words) > 1:
        found = draft.exact(words[:-1])
        if found:
            field.words = words[:-1]
        return found
    if found := draft.exact(words):
        return found
    last = singular(words[-1])
    if len(words) == 2 and (other := draft.entities.get(last)) and other.described:
        return other
    return None
