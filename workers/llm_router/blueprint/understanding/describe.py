"""Which sentences and lists say what a thing consists of; the fields go to that thing's draft."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Draft, EntityDraft, FieldDraft
from .inflect import is_plural, singular
from .items import item_of, items_at
from .lexicon.describing import FIELD_WORDS, HAS, HAS_PHRASES, LIST_LEADS, SECTIONS, STORE_VERBS
from .lexicon.words import ENTITIES_IF_DESCRIBED, SYSTEM_NOUNS
from .phrases import noun_phrase, phrase_before
from .text import Unit
from .verbs import is_verb_at, starts_with_verb

_BEFORE_HAS = frozenset({
    "should", "must", "can", "may", "will", "also", "could", "would", "shall", "always", "usually", "to", "then",
    "might", "only", "just", "simply", "and", "optionally", "typically", "is", "are", "be", "each", "all", "both",
})  # fmt: skip
_ITS = frozenset(
    {"it", "they", "its", "their", "which", "that", "these", "those", "this", "who", "both", "one", "each"}
)


def describe(units: Sequence[Unit], draft: Draft) -> None:
    """Read every unit for descriptions, in order; a list entry goes to the thing that its heading names."""
    for unit in units:
        owner = _listed_owner(unit, draft)
        if owner is not None:
            if field := item_of(unit.words):
                _give(owner, [field])
            continue
        _sentence(unit, draft)


def _listed_owner(unit: Unit, draft: Draft) -> EntityDraft | None:
    """The entity of which this list entry is a field, or None."""
    head = unit.head
    if head is None or not unit.bullet or unit.children or not _is_field_entry(unit):
        return None
    words = [word for word in head.words if word not in ("*", "`", "#")]
    words = words[:-1] if words[-1:] == [":"] else words
    if owner := _headed(words, draft):
        return owner
    if head.bullet or head.title or head.opens:
        return _named_by(words, head, draft)
    return None


def _is_field_entry(unit: Unit) -> bool:
    """A list entry that names something, rather than a sentence about what to do."""
    words = unit.words
    if starts_with_verb(words) and not (len(words) == 1 or words[1:2] in (["("], [":"], ["-"])):
        return False
    if (
        words[0] in ("i", "users", "as", "the", "it", "you", "if", "when", "no", "we", "for", "only", "each", "every")
        and len(words) > 4
    ):
        return False
    nouns, after = noun_phrase(words, 0)
    return bool(nouns) and (after >= len(words) or words[after] not in HAS | {"'s", "belongs", "belong"})


def _headed(words: list[str], draft: Draft) -> EntityDraft | None:
    """The owner in 'A book has the following fields', 'Book fields', 'Fields of a book', 'Each book has'."""
    says_fields = bool(set(words) & (FIELD_WORDS - {"data", "items", "things"}))
    has = next((at for at, word in enumerate(words) if word in HAS or word in ("with", "consists")), None)
    store = next((at for at, word in enumerate(words) if word in STORE_VERBS), None)
    if not says_fields and has is None and not (store is not None and {"each", "every"} & set(words)):
        return None
    for at, word in enumerate(words):
        if word in ("each", "every") or (word in ("of", "for") and says_fields):
            nouns, _ = noun_phrase(words, at + 1)
            if owner := _owner(nouns, draft, firmly=word in ("each", "every")):
                return owner
    if has is not None:
        if owner := _owner(_subject(words, has), draft):
            return owner
        if set(words[:has]) & _ITS and draft.current:
            return draft.current
        return None
    nouns = tuple(word for word in phrase_before(words, len(words)) if word not in FIELD_WORDS)
    if says_fields:
        return _owner(nouns, draft) or draft.current
    return None


def _named_by(words: list[str], head: Unit, draft: Draft) -> EntityDraft | None:
    """The owner where the heading is nothing but its name; at least half of the list must look like fields."""
    nouns, after = noun_phrase(words, 0)
    rest = words[after:]
    if not nouns or nouns[0] in SECTIONS or nouns[-1] in SECTIONS or (rest and rest[0] not in "(-:"):
        return None
    entries = [child for child in head.children if child.bullet]
    fields = [child for child in entries if _is_field_entry(child) and len(noun_phrase(child.words, 0)[0]) <= 4]
    if len(fields) * 2 < len(entries) or starts_with_verb(words):
        return None
    return _owner(nouns, draft)


def _sentence(unit: Unit, draft: Draft) -> None:
    words = unit.words
    at = _labelled(unit, draft)
    while at < len(words):
        at = _trigger(words, at, draft)


def _labelled(unit: Unit, draft: Draft) -> int:
    """'Book: title, author' or 'Book (title, author)' at the beginning; returns where to read on."""
    words = unit.words
    start = 1 if words and words[0] in "*`" else 0
    nouns, after = noun_phrase(words, start)
    while after < len(words) and words[after] in "*`":
        after += 1
    if not nouns or after + 1 >= len(words) or words[after] not in (":", "(", "-", "{") or nouns[0] in SECTIONS:
        if nouns and words[after : after + 1] == [":"] and set(nouns) & FIELD_WORDS:
            return _field_label(words, after, nouns, draft)
        return 0
    if starts_with_verb(words[start:]) and not is_plural(nouns[-1]):
        return 0
    if nouns[-1] in FIELD_WORDS:
        return _field_label(words, after, nouns, draft)
    end = _closing(words, after) if words[after] in "({" else len(words)
    items, _ = items_at(words[:end], after + 1)
    known = draft.exact(nouns) is not None
    if len(items) < 2 and not known:
        return 0
    if owner := _owner(nouns, draft, firmly=words[after] != "-"):
        _give(owner, items)
        return end
    return 0


def _field_label(words: Sequence[str], after: int, nouns: tuple[str, ...], draft: Draft) -> int:
    """'Fields: title, author', 'Book fields: title'."""
    own = tuple(word for word in nouns if word not in FIELD_WORDS)
    owner = (_owner(own, draft) if own else None) or draft.current
    items, end = items_at(words, after + 1)
    if owner is None or not items:
        return 0
    _give(owner, items)
    return end


def _trigger(words: Sequence[str], at: int, draft: Draft) -> int:
    """Look for a description that begins at `at`; returns where to go on."""
    word = words[at]
    if length := _has_at(words, at):
        owner = _owner(_subject(words, at), draft)
        if owner is None and _refers_back(words, at):
            owner = draft.current
        return _list(words, at + length, owner)
    if word in ("with", "including", "incl") and at > 0:
        owner = _owner(phrase_before(words, at - (words[at - 1] == ",")), draft, firmly=False)
        return _list(words, at + 1, owner)
    if word == "(" and at > 0 and _opens_fields(words, at, draft):
        owner = _owner(phrase_before(words, at), draft)
        end = _closing(words, at)
        if owner:
            _give(owner, items_at(words[:end], at + 1)[0])
        return end
    if word in ("each", "every") and words[at - 1 : at] in (["for"], ["of"], ["about"], ["per"]):
        return _for_each(words, at, draft)
    if word == "'s" and at > 0:
        return _possessive(words, at, draft)
    if word == ":" and at > 1 and at + 1 < len(words):
        owner = _owner(phrase_before(words, at), draft, firmly=False)
        items, end = items_at(words, at + 1)
        if owner and len(items) > 1 and not is_verb_at(words, at + 1):
            _give(owner, items)
            return end
    if (
        word in STORE_VERBS
        and words[at + 1 : at + 2] in (["the"], ["its"], ["their"], ["a"], ["an"])
        and at + 2 < len(words)
    ):
        return _of_owner(words, at, draft)
    return at + 1


def _has_at(words: Sequence[str], at: int) -> int:
    if words[at] in HAS and not (
        words[at] in ("need", "needs", "takes", "gets", "features") and words[at + 1 : at + 2] == ["to"]
    ):
        return 1 if words[at + 1 : at + 2] != ["to"] else 0
    return next((len(phrase) for phrase in HAS_PHRASES if tuple(words[at : at + len(phrase)]) == phrase), 0)


def _subject(words: Sequence[str], at: int) -> tuple[str, ...]:
    while at > 0 and words[at - 1] in _BEFORE_HAS:
        at -= 1
    while at > 1 and words[at - 1] in ("that", "which", "who", ","):
        at -= 1
    if at > 0 and words[at - 1] == ")":
        while at > 0 and words[at - 1] != "(":
            at -= 1
        at = max(0, at - 1)
    return phrase_before(words, at)


def _refers_back(words: Sequence[str], at: int) -> bool:
    while at > 0 and words[at - 1] in _BEFORE_HAS - {"each", "both"}:
        at -= 1
    return at == 0 or words[at - 1] in _ITS or words[at - 1] in ",;"


def _list(words: Sequence[str], at: int, owner: EntityDraft | None) -> int:
    start = at
    while at < len(words) and (words[at] in LIST_LEADS or words[at] in FIELD_WORDS):
        if words[at] in ("with", "to") and at > start:
            break
        at += 1
    while at > start and words[at - 1] in ("the", "its", "their"):
        at -= 1
    items, end = items_at(words, at)
    if owner is None or not items:
        return start
    _give(owner, items)
    return max(end, start)


def _opens_fields(words: Sequence[str], at: int, draft: Draft) -> bool:
    """Whether the parentheses hold fields of the noun before them, not values or an aside."""
    nouns = phrase_before(words, at)
    end = _closing(words, at)
    inside = words[at + 1 : end]
    if (
        not nouns
        or len(inside) < 3
        or inside[0] in ("e.g", "i.e", "like", "such", "see", "for", "or", "and", "so", "no")
    ):
        return False
    if any(len(entity.fields) and entity.field_called(nouns) for entity in draft.entities.values()):
        return False
    separators = sum(word in ",;" for word in inside)
    return separators > 0 and (is_plural(nouns[-1]) or draft.exact(nouns) is not None or _acted_on(words, at, nouns))


def _acted_on(words: Sequence[str], at: int, nouns: tuple[str, ...]) -> bool:
    before = at - len(nouns) - 1
    while before >= 0 and words[before] in ("a", "an", "the", "new", "each", "every"):
        before -= 1
    return before >= 0 and is_verb_at(words, before)


def _for_each(words: Sequence[str], at: int, draft: Draft) -> int:
    """'For each book store the title and the author'."""
    nouns, after = noun_phrase(words, at)
    owner = _owner(nouns, draft)
    place = after
    while place < len(words) and words[place] not in STORE_VERBS and place < after + 8:
        place += 1
    if place < len(words) and words[place] in STORE_VERBS:
        while place < len(words) and (words[place] in STORE_VERBS or words[place] in ("to", "track", "of")):
            place += 1
        return max(_list(words, place, owner), after)
    if words[after : after + 1] in ([","], [":"]) and words[after + 1 : after + 2] not in (["i"], ["we"], ["you"]):
        return max(_list(words, after + 1, owner), after)
    return max(after, at + 1)


def _possessive(words: Sequence[str], at: int, draft: Draft) -> int:
    """'each book's title, author and year'."""
    items, end = items_at(words, at + 1)
    owner = _owner(phrase_before(words, at), draft, firmly=False)
    if len(items) > 1 and owner is not None:
        _give(owner, items)
        return end
    return at + 1


def _of_owner(words: Sequence[str], at: int, draft: Draft) -> int:
    """'Record the title, author and year of every book'."""
    items, end = items_at(words, at + 1)
    for place in range(at + 2, min(end + 1, len(words) - 1)):
        if words[place] in ("of", "for") and words[place + 1] in (
            "each",
            "every",
            "a",
            "an",
            "my",
            "all",
            "the",
            "our",
        ):
            nouns, _ = noun_phrase(words, place + 1)
            listed, _ = items_at(words[:place], at + 1)
            if listed and (owner := _owner(nouns, draft)):
                _give(owner, listed)
                return place
    return at + 1


def _owner(nouns: tuple[str, ...], draft: Draft, *, firmly: bool = True) -> EntityDraft | None:
    """The entity that a noun phrase names as the owner of fields; None for the software itself."""
    nouns = tuple(word for word in nouns if word not in FIELD_WORDS) or nouns
    if not nouns or len(nouns[-1]) < 2:
        return None
    if found := draft.exact(nouns) or (draft.find(nouns) if len(nouns) > 1 else draft.find(nouns)):
        return found
    head = nouns[-1]
    if head in SYSTEM_NOUNS and not (
        firmly and (head in ENTITIES_IF_DESCRIBED or len(nouns) > 1) and head not in FIELD_WORDS
    ):
        return None
    if any(entity.field_called(nouns) for entity in draft.entities.values()) and not firmly:
        return None
    return draft.entity(_own_name(nouns))


def _own_name(nouns: tuple[str, ...]) -> tuple[str, ...]:
    return (*nouns[-2:-1], singular(nouns[-1])) if len(nouns) < 4 else nouns[-2:]


def _give(owner: EntityDraft, fields: list[FieldDraft]) -> None:
    for field in fields:
        owner.add(field)
    owner.described = owner.described or bool(fields)


def _closing(words: Sequence[str], at: int) -> int:
    depth = 0
    for end in range(at, len(words)):
        depth += (words[end] in "([{") - (words[end] in ")]}")
        if depth == 0:
            return end
    return len(words)
