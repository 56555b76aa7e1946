"""Lists under a heading: whose fields the entries are."""

from __future__ import annotations

from .draft import Draft, EntityDraft
from .lexicon.describing import COMMON_FIELDS, FIELD_WORDS, HAS, ITS, NOT_THINGS, SECTIONS, STORE_VERBS
from .owners import before, owner_of
from .phrases import noun_phrase
from .text import Unit
from .verbs import phrase_before, starts_with_verb

_SENTENCE_STARTS = frozenset({
    "i", "users", "the", "it", "you", "if", "when", "no", "we", "for", "only", "each", "every", "as",
})  # fmt: skip
_FIELD_STARTS = frozenset({"first", "last", "whether", "on", "optional", "full", "main", "current"})


def listed_owner(unit: Unit, draft: Draft) -> EntityDraft | None:
    """The entity of which this list entry is a field, or None."""
    head = unit.head
    if head is None or not unit.bullet or unit.children or not _is_field_entry(unit):
        return None
    words = [word for word in head.words if word not in ("*", "`", "#")]
    words = words[:-1] if words[-1:] == [":"] else words
    if not words:
        return None
    return _described_by(words, draft) or _named_by(words, head, draft)


def _is_field_entry(unit: Unit) -> bool:
    """A list entry that names something, rather than a sentence about what to do."""
    words = [word for word in unit.words if word not in "*`"]
    if not words or (starts_with_verb(words) and len(words) > 1 and words[1] not in "(:-"):
        return False
    if words[0] in _SENTENCE_STARTS and len(words) > 4:
        return False
    nouns, after = noun_phrase(words, 0)
    if not nouns and words[0] not in _FIELD_STARTS:
        return False
    return after >= len(words) or words[after] not in HAS | {"'s", "belongs", "belong", "="}


def _described_by(words: list[str], draft: Draft) -> EntityDraft | None:
    """The owner in 'A book has the following fields', 'Book fields', 'Fields of a book', 'Each book has'."""
    says_fields = bool(set(words) & (FIELD_WORDS - {"data", "items", "things"}))
    has = next((at for at, word in enumerate(words) if word in HAS or word in ("with", "consists")), None)
    stores = bool(set(words) & STORE_VERBS)
    if not says_fields and has is None and not (stores and {"each", "every"} & set(words)):
        return None
    for at, word in enumerate(words):
        if word in ("each", "every") or (word in ("of", "for") and says_fields):
            nouns, _ = noun_phrase(words, at + 1)
            if owner := owner_of(nouns, draft, firmly=word in ("each", "every")):
                return owner
    if has is not None:
        owner = owner_of(before(words, has), draft)
        return owner or (draft.current if set(words[:has]) & ITS else None)
    phrase = noun_phrase(words, 0)[0] or phrase_before(words, len(words))
    nouns = tuple(word for word in phrase if word not in FIELD_WORDS)
    return (owner_of(nouns, draft) or draft.main()) if says_fields else None


def _tells(head: Unit) -> bool:
    """Whether an entry of the list is a field wherever it occurs, as 'name' and 'email' are."""
    return any(noun_phrase(child.words, 0)[0] in {(name,) for name in COMMON_FIELDS} for child in head.children)


def _named_by(words: list[str], head: Unit, draft: Draft) -> EntityDraft | None:
    """The owner where the heading is nothing but its name; at least half of the list must look like fields."""
    nouns, after = noun_phrase(words, 0)
    rest = words[after:]
    if not nouns or (rest and rest[0] not in "(-:"):
        return None
    if {nouns[0], nouns[-1]} & SECTIONS and ({nouns[0], nouns[-1]} & NOT_THINGS or not _tells(head)):
        return None
    entries = [child for child in head.children if child.bullet]
    fields = [child for child in entries if _is_field_entry(child) and len(noun_phrase(child.words, 0)[0]) <= 4]
    if len(fields) * 2 < len(entries) or starts_with_verb(words):
        return None
    owner = owner_of(nouns, draft)
    if owner is not None:
        owner.firm = True
    return owner
