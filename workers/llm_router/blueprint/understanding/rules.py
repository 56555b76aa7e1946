"""Sentences that add a rule to a field: 'Title is required', 'no two members share an email', 'rating from 1 to 5'."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft, EntityDraft, FieldDraft
from .modifiers import apply, values_at
from .phrases import is_noun, noun_phrase
from .text import Unit
from .verbs import phrase_before

_SAYS = frozenset({
    "is", "are", "must", "can", "may", "should", "defaults", "cannot", "has", "have", "needs", "ranges", "starts",
    "could",
    "shall", "will", "goes", "need", "takes", "default", "optional", "required", "unique", "between", "mustn't",
    "can't", "shouldn't", ":", "never", "always", "runs", "optionally", "mandatory", "stays", "do", "does", "don't",
    "doesn't", "either", "up", "at", "from", "(", "of", "being", "isn't", "only", "max", "maximum",
})  # fmt: skip


def constrain(units: Sequence[Unit], draft: Draft) -> None:
    """Read every sentence once more for what it says of fields already known."""
    for unit in units:
        words = unit.words
        if _uniqueness(words, draft):
            continue
        described = set(unit.described)
        for at, word in enumerate(words):
            if word in _SAYS and at and at not in described:
                for entity, field in _subjects(words, at, draft, unit):
                    _say(words, at, field)
                    if field.choices and field.name not in entity.fields:
                        entity.add(field)


def _uniqueness(words: Sequence[str], draft: Draft) -> bool:
    """'no two members share an email', 'two books can't have the same ISBN'."""
    if not (
        ("two" in words and ({"share", "same", "identical"} & set(words))) or ("no" in words and "duplicate" in words)
    ):
        return False
    found = False
    for at in range(len(words)):
        nouns, _ = noun_phrase(words, at) if is_noun(words[at]) else ((), at)
        for entity in draft.entities.values():
            field = entity.field_called(nouns) if nouns else None
            if (
                field is not None
                and draft.exact(nouns) is None
                and (entity.key in _named(words, draft) or not _named(words, draft))
            ):
                field.unique = found = True
    return found


def _named(words: Sequence[str], draft: Draft) -> set[str]:
    return {entity.key for word in words if is_noun(word) and (entity := draft.exact((word,)))}


def _subjects(words: Sequence[str], at: int, draft: Draft, unit: Unit) -> list[tuple[EntityDraft, FieldDraft]]:
    """The fields that stand before the verb: 'title and author are required', 'the price of a product must …'."""
    place = at
    while place > 0 and words[place - 1] in (
        "must",
        "should",
        "can",
        "may",
        "be",
        "not",
        "both",
        "also",
        "is",
        "are",
        "all",
        "always",
        "only",
        "never",
        "each",
    ):
        place -= 1
    nouns = phrase_before(words, place)
    if not nouns:
        return []
    before = place - len(nouns) - 1
    while before > 0 and words[before] in ("the", "a", "an", "each", "every", "its", "their", "any", "all"):
        before -= 1
    owner = draft.exact(nouns) if before > 0 and words[before] in ("of", "for", "on", "in") else None
    if owner is not None:
        field = owner.field_called(phrase_before(words, before))
        return [(owner, field)] if field else []
    if before > 0 and words[before] == "'s" and (owner := draft.exact(phrase_before(words, before)[-1:])):
        field = owner.field_called(nouns)
        return [(owner, field)] if field else []
    found = _field(nouns, draft, unit)
    result = [found] if found else []
    if (
        found
        and words[at] in ("is", "are", "must", "should", "can", "may")
        and words[before] in ("and", ",", "or")
        and before
    ):
        other = _field(phrase_before(words, before), draft, unit)
        result += [other] if other else []
    return result


def _field(nouns: tuple[str, ...], draft: Draft, unit: Unit) -> tuple[EntityDraft, FieldDraft] | None:
    """The field of that name: of the entity named with it, of the one in the sentence, or the only one."""
    if not nouns:
        return None
    for size in range(1, len(nouns)):
        owner = draft.exact(nouns[:size])
        if owner and (field := owner.field_called(nouns[size:])):
            return owner, field
    if draft.exact(nouns):
        return None
    named = _named(unit.words, draft) | (_named(unit.head.words, draft) if unit.head else set())
    having = [(entity, field) for entity in draft.entities.values() if (field := entity.field_called(nouns))]
    near = [pair for pair in having if pair[0].key in named]
    found = near or having
    return found[0] if found else None


def _say(words: Sequence[str], at: int, field: FieldDraft) -> None:
    end = at
    while end < len(words) and words[end] not in (".", ";", ")") and not _next_clause(words, end, at):
        end += 1
    said = list(words[at:end])
    apply(field, said, enclosed=said[:1] == ["("])
    if (
        not field.choices
        and field.type in (None, "enum", "text")
        and said[:1] in (["is"], ["can"], ["are"], ["may"], ["must"], [":"], ["should"])
        and "or" in said
    ):
        start = next(
            (
                place
                for place, word in enumerate(said)
                if place and is_noun(word) and word not in ("empty", "unique", "required")
            ),
            None,
        )
        if start is not None and start <= 3:
            values, _ = values_at(said, start)
            if len(values) > 1 and not set(values) & {
                "empty",
                "null",
                "blank",
                "positive",
                "optional",
                "omitted",
                "zero",
            }:
                field.choices = values


def _next_clause(words: Sequence[str], at: int, start: int) -> bool:
    """A comma or 'and' after which another subject begins: 'title is required and price must be positive'."""
    if at == start or words[at] not in (",", "and", "but"):
        return False
    nouns, after = noun_phrase(words, at + 1)
    return (
        bool(nouns)
        and after < len(words)
        and words[after] in ("is", "are", "must", "can", "may", "should", "defaults", "cannot", "has")
    )
