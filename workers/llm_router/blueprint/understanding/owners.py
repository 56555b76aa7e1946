"""Who owns the fields of a description: the noun before a verb, or what a pronoun refers to."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft, EntityDraft, FieldDraft
from .inflect import is_plural
from .lexicon.describing import FIELD_WORDS, ITS, NEVER_OWNERS, SKIPPED, SOFTWARE_KINDS, WANTS
from .lexicon.items import COMMANDS
from .lexicon.words import SOFTWARE, SYSTEM_NOUNS, THINGS
from .phrases import noun_phrase
from .verbs import FORMS, phrase_before

_IMPERATIVES = frozenset({
    "build", "write", "develop", "create", "make", "give", "implement", "design", "please", "code", "provide",
    "program",
})  # fmt: skip


def owner_of(nouns: tuple[str, ...], draft: Draft, *, firmly: bool = True) -> EntityDraft | None:
    """The entity that a noun phrase names as the owner of fields; None for the software itself."""
    nouns = tuple(word for word in nouns if word not in FIELD_WORDS) or nouns
    if not nouns or len(nouns[-1]) < 2:
        return None
    if found := draft.find(nouns):
        return found
    nouns = draft.canonical(nouns)
    head = nouns[-1]
    if head in NEVER_OWNERS or head in FIELD_WORDS:
        return None
    if not firmly and head in SYSTEM_NOUNS and (len(nouns) < 2 or head in SOFTWARE_KINDS):
        return None
    if not firmly and any(entity.field_called(nouns) for entity in draft.entities.values()):
        return None
    return draft.entity(nouns)


def before(words: Sequence[str], at: int) -> tuple[str, ...]:
    """The nouns before a verb, past what stands between: 'a book (paperback) should have'."""
    while at > 0 and words[at - 1] in SKIPPED:
        at -= 1
    if at > 0 and words[at - 1] == ")":
        while at > 0 and words[at - 1] != "(":
            at -= 1
        at = max(0, at - 1)
    nouns = phrase_before(words, at)
    start = at - len(nouns)
    if nouns and start > 2 and words[start - 1] in ("the", "our", "a", "my") and words[start - 2] in ("of", "in"):
        nouns = phrase_before(words, start - 2) or nouns
    lone_verb = len(nouns) == 1 and nouns[0] in FORMS and FORMS[nouns[0]].base == nouns[0]
    if lone_verb and nouns[0] in COMMANDS:
        return ()
    return () if lone_verb and words[at - 2 : at - 1] in (["we"], ["i"], ["they"], ["you"]) else nouns


def possessor(words: Sequence[str], at: int, draft: Draft, subject: EntityDraft | None) -> EntityDraft | None:
    """Who has, belongs or is: the noun before the verb at `at`, or what a pronoun or a joined clause refers to."""
    while at > 0 and words[at - 1] in SKIPPED:
        at -= 1
    if nouns := before(words, at):
        return None if nouns[-1] in SOFTWARE - THINGS else owner_of(nouns, draft)
    if at == 0:
        return None if words[0] in WANTS else draft.current
    if words[at - 1] in ITS:
        return _referred(words, at, draft) if not _to_software(words, at) else None
    if words[at - 1] in (",", "and", ";", "but", "-", "both"):
        return subject or opening(words, at, draft) or draft.current
    return None


def _referred(words: Sequence[str], at: int, draft: Draft) -> EntityDraft | None:
    """What 'it', 'they' and 'which' mean: the noun right before, else what was spoken of last."""
    if at <= 2 and draft.spoken and (owner := owner_of(draft.spoken, draft)):
        return owner
    first, end = noun_phrase(words, 0)
    if at > 2 and words[at - 1] == "they" and first and is_plural(first[-1]) and end < at - 1:
        return owner_of(first, draft)
    nouns = _antecedent(words, at)
    plural = bool(nouns) and (is_plural(nouns[-1]) or draft.find(nouns) is not None)
    named = plural or words[at - 1] not in ("it", "they", "this", "these")
    return (owner_of(nouns, draft) if named else None) or draft.current


def _antecedent(words: Sequence[str], at: int) -> tuple[str, ...]:
    while at > 1 and words[at - 1] in ITS | {",", "-", "(", ":", "also"}:
        at -= 1
    return phrase_before(words, at)


def _to_software(words: Sequence[str], at: int) -> bool:
    nouns = _antecedent(words, at)
    return bool(nouns) and nouns[-1] in (SOFTWARE | SOFTWARE_KINDS) - THINGS - {
        "file",
        "list",
        "table",
        "report",
        "page",
    }


def opening(words: Sequence[str], at: int, draft: Draft) -> EntityDraft | None:
    """The thing that the sentence begins with: 'Singers sing a voice and have a name'."""
    nouns, end = noun_phrase(words, 0)
    if words[0] in _IMPERATIVES:
        return None
    while len(nouns) > 1 and nouns[-1] in FORMS and FORMS[nouns[-1]].base == nouns[-1]:
        nouns = nouns[:-1]
    if (
        len(nouns) > 1
        and words[0] in ("a", "an", "each", "every")
        and nouns[-1].endswith("s")
        and not nouns[-1].endswith("ss")
    ):
        nouns = nouns[:-1]
    if len(nouns) > 1 and is_plural(nouns[0]) and not is_plural(nouns[1]):
        nouns = nouns[:1]
    return owner_of(nouns[:1] if len(nouns) > 2 else nouns, draft, firmly=False) if nouns and end < at else None


def give(owner: EntityDraft, fields: Sequence[FieldDraft]) -> None:
    for field in fields:
        if field.type == "boolean" and len(field.words) > 1 and field.words[0] == owner.words[-1]:
            field.words = field.words[1:]
        owner.add(field)
    owner.described = owner.described or bool(fields)
