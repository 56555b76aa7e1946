"""What a verb is done to: an entity, and what of it; and the fields that are named after 'by'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .draft import Draft, EntityDraft
from .inflect import is_plural
from .lexicon.words import SYSTEM_NOUNS
from .phrases import noun_phrase
from .text import Unit
from .verbs import OPERATIONS, Mention, is_verb_at, verb_at

_ALL_OF_IT = (
    ("all", "of", "this"), ("all", "of", "them"), ("all", "of", "these"), ("everything",), ("each", "of", "them"),
    ("all", "three"),
    ("for", "both"), ("on", "both"), ("both", "of", "them"), ("all", "of", "those"), ("all", "entities"),
    ("each", "of", "these"), ("every", "one", "of", "them"), ("all", "resources"), ("both", "entities"),
    ("both", "resources"),
    ("all", "this"), ("for", "the", "lot"), ("all", "of", "it"), ("every", "table"), ("all", "four"), ("for", "all"),
    ("each", "entity"), ("each", "resource"), ("every", "entity"),
    ("on", "all"), ("each", "one", "of", "them"), ("both", "can"), ("all", "can"),
)  # fmt: skip
_BY = frozenset(
    {
        "by",
        "on",
        "for",
        "with",
        "matching",
        "of",
        "in",
        "from",
        "per",
        "through",
        "whose",
        "where",
        "within",
        "using",
        "over",
        "across",
    }
)
_JOINS = frozenset(
    {
        ",",
        "and",
        "or",
        "by",
        "/",
        "&",
        "its",
        "their",
        "the",
        "a",
        "an",
        "and/or",
        "given",
        "one",
        "each",
        "certain",
        "particular",
        "specific",
        "+",
        "single",
        "both",
        "either",
        "optionally",
        "my",
        "this",
        "that",
    }
)


_PRODUCT = frozenset({
    "program", "tool", "cli", "api", "app", "application", "library", "package", "module", "service", "backend",
    "software", "system", "script", "server",
})  # fmt: skip


class Target(NamedTuple):
    entity: EntityDraft
    aspect: tuple[str, ...] = ()


def targets(mention: Mention, unit: Unit, draft: Draft, last: EntityDraft | None) -> list[Target]:
    """The entities that a verb is done to, each with what of it is meant."""
    found = [target for nouns in mention.objects if (target := _target(nouns, mention, draft, last))]
    if found:
        return list(dict.fromkeys(found))
    if not mention.pronoun and mention.objects and not _vague(mention):
        return _sharing(unit.words, mention, draft)
    if mention.objects and all(nouns[-1] in _PRODUCT for nouns in mention.objects):
        return []
    if all_of_it(unit.words):
        return [Target(entity) for entity in draft.entities.values()]
    if labelled := _labelled(unit, mention, draft):
        return [Target(entity) for entity in labelled]
    if mention.passive and (opened := _opened(unit.words, mention.start, draft)):
        return [Target(opened)]
    entity = _by_fields(unit.words, mention, draft, last) or last or _context(unit, draft) or first(draft)
    return [Target(entity)] if entity else []


def _sharing(words: Sequence[str], mention: Mention, draft: Draft) -> list[Target]:
    """'shapes can be filtered by layer': everything that has a layer, where shapes are no thing of their own."""
    asks = {kind for verb in mention.verbs for kind in OPERATIONS[verb]}
    if not asks & {"list", "filter", "search"} or not is_plural(mention.objects[0][-1]):
        return []
    found = [Target(entity) for entity in draft.entities.values() if fields_after(words, mention.end, entity)]
    return found if len(found) > 1 else []


def _opened(words: Sequence[str], at: int, draft: Draft) -> EntityDraft | None:
    """'an appointment is scheduled at first and can later be completed': what the sentence begins with."""
    start = max((place + 1 for place in range(at) if words[place] in ";:"), default=0)
    nouns, end = noun_phrase(words, start)
    return draft.exact(nouns) if nouns and words[end : end + 1] in (["is"], ["are"], ["can"], ["may"]) else None


def _vague(mention: Mention) -> bool:
    return all(nouns[-1] in SYSTEM_NOUNS for nouns in mention.objects)


def all_of_it(words: Sequence[str]) -> bool:
    kinds = any(
        word in ("both", "all") and words[at + 1 : at + 2] and words[at + 1] in ("kinds", "types", "tables", "things")
        for at, word in enumerate(words)
    )
    return kinds or any(
        tuple(words[at : at + len(phrase)]) == phrase for at in range(len(words)) for phrase in _ALL_OF_IT
    )


def _target(nouns: tuple[str, ...], mention: Mention, draft: Draft, last: EntityDraft | None) -> Target | None:
    if mention.aspect and (entity := draft.exact(mention.aspect)):
        return Target(entity)
    if entity := draft.find(nouns):
        return Target(entity, mention.aspect)
    for size in (2, 1):
        entity = draft.exact(nouns[:size]) if len(nouns) > size else None
        if entity is not None and entity.field_called(nouns[size:]):
            return Target(entity, nouns[size:])
    if entity := having(nouns, draft, last):
        return Target(entity, nouns)
    if mention.aspect and (entity := draft.find(mention.aspect)):
        return Target(entity, nouns)
    return None


def having(nouns: tuple[str, ...], draft: Draft, last: EntityDraft | None) -> EntityDraft | None:
    """The entity that has a field of that name, the last one spoken of first."""
    order = ([last] if last else []) + list(draft.entities.values())
    return next((entity for entity in order if entity.field_called(nouns)), None)


def _labelled(unit: Unit, mention: Mention, draft: Draft) -> list[EntityDraft]:
    """The things before the colon: 'Games: add, list by round, update', 'Clients and matters: create'."""
    colon = unit.words.index(":") if ":" in unit.words else len(unit.words)
    found: list[EntityDraft] = []
    at = 0
    while at < colon < mention.start:
        nouns, end = noun_phrase(unit.words, at)
        if not nouns or end > colon:
            break
        if (entity := draft.find(nouns)) is not None:
            found.append(entity)
        at = end
        while at < colon and unit.words[at] in (",", "and", "&", "/", "or"):
            at += 1
        if at == end:
            break
    return found


def _by_fields(words: Sequence[str], mention: Mention, draft: Draft, last: EntityDraft | None) -> EntityDraft | None:
    """'search by barcode' means the thing that has a barcode."""
    order = ([last] if last else []) + list(draft.entities.values())
    return next((entity for entity in order if fields_after(words, mention.end, entity)), None)


def _context(unit: Unit, draft: Draft) -> EntityDraft | None:
    head = unit.head
    while head is not None:
        nouns, _ = noun_phrase(head.words, 0)
        if nouns and (entity := draft.find(nouns)):
            return entity
        head = head.head
    return None


def first(draft: Draft) -> EntityDraft | None:
    return next(iter(draft.entities.values()), None)


def fields_after(words: Sequence[str], at: int, target: EntityDraft) -> tuple[str, ...]:
    """The fields named after 'by' and its kin: 'filter tasks by status and author'."""
    place = at
    while place < min(len(words), at + 25) and words[place] not in (".", ";"):
        if place > at and is_verb_at(words, place) and not _still_filters(words, place):
            return ()
        if words[place] in _BY:
            found = _fields_at(words, place + 1, target)
            if found or words[place] == "by":
                return found
        place += 1
    return ()


def _still_filters(words: Sequence[str], at: int) -> bool:
    found = verb_at(words, at)
    return found is not None and (
        found[0].base in ("filter", "sort", "group", "search", "narrow", "find") or found[0].kind == "past"
    )


def _fields_at(words: Sequence[str], at: int, target: EntityDraft) -> tuple[str, ...]:
    found: list[str] = []
    while at < len(words):
        while at < len(words) and words[at] in _JOINS:
            at += 1
        nouns, end = noun_phrase(words, at)
        field = target.field_called(nouns) or target.field_called(nouns[-1:]) if nouns else None
        if field is None:
            break
        found.append(field.name)
        at = end
    return tuple(dict.fromkeys(found))
