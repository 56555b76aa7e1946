"""What stands before a colon or a parenthesis: the thing whose fields follow, a section of the text, or states."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import FieldDraft
from .fieldtypes import type_of
from .inflect import is_plural, singular
from .items import items_at
from .lexicon.describing import (
    COMMON_FIELDS,
    FIELD_WORDS,
    HAS,
    LIST_LEADS,
    MORE,
    NEVER_OWNERS,
    NOT_THINGS,
    PLAIN_NAMES,
    SECTIONS,
    STORE_VERBS,
)
from .lexicon.states import STATE_FIELDS
from .lexicon.words import DETERMINERS, SYSTEM_NOUNS
from .modifiers import closing, is_choice, values_at
from .owners import owner_of
from .phrases import noun_phrase
from .reading import Reading
from .verbs import NOUN_VERBS, OPERATIONS, is_verb_at, starts_with_verb, verb_at

_CORE = frozenset({"create", "read", "list", "update", "delete", "manage", "search", "export"})
_SPEAKING = frozenset({
    "need", "want", "keep", "keeps", "add", "store", "stores", "track", "manage", "are", "have", "log", "record",
    "save",
    "register", "logging", "tracking", "managing", "keeping", "storing", "saving", "recording", "organise", "organize",
})  # fmt: skip
_CLAUSE = HAS | {"belongs", "is", "are", "can", "should"}


def labelled(reading: Reading) -> int:
    """'Book: title, author', 'Book = …' or 'Book (title, author)' at the beginning; returns where to read on."""
    words, draft = reading.words, reading.draft
    start = next((at for at, word in enumerate(words) if word not in "*`" and word not in DETERMINERS), 0)
    nouns, after = noun_phrase(words, start)
    while after < len(words) and words[after] in "*`":
        after += 1
    target: tuple[str, ...] = ()
    if (
        nouns
        and words[after : after + 1]
        and words[after] in ("on", "of", "for", "in")
        and ":" in words[after : after + 6]
    ):
        target, after = noun_phrase(words, after + 1)
    if not nouns or after + 1 >= len(words) or words[after] not in (":", "(", "-", "{", "=", "->"):
        return _bare_list(reading)
    if len(nouns) > 1 and is_plural(nouns[0]) and words[start] == nouns[0] and is_verb_at(words, start + 1):
        return 0
    if len(nouns) > 1 and (known := draft.exact(nouns[:-1])) and nouns[-1] in known.fields:
        return 0
    if words[after] == ":" and (told := _told_of(reading, nouns, after)):
        return told
    if stated := _states_label(reading, nouns, after):
        return stated
    if set(nouns) & FIELD_WORDS:
        return field_label(reading, after, (*target, *nouns))
    if not lists_fields(reading, after + 1):
        return 0
    opened = after + (words[after] == ":" and words[after + 1] in "{[")
    end = closing(words, opened) if words[opened] in "({[" else len(words)
    items, stop = items_at(words[:end], opened + 1)
    if not items or (len(items) < 2 and draft.exact(nouns) is None and words[after] in ("-", "->", "(")):
        return 0
    telling = words[after] != "-" and bool({field.name for field in items} & COMMON_FIELDS)
    if not _names_thing(words, start, after, nouns, telling=telling):
        return 0
    owner = owner_of(nouns, draft, firmly=words[after] != "-") or (draft.entity(nouns) if telling else None)
    if owner is None:
        return 0
    reading.take(owner, items)
    owner.firm = True
    if target:
        reading.point(owner, target, weak=True, fleeting=True)
    return end if words[opened] in "({[" else stop


def _told_of(reading: Reading, nouns: tuple[str, ...], at: int) -> int:
    """'Teachers: we need their name and email'."""
    words = reading.words
    if words[at + 1] not in ("we", "i", "you", "they") or nouns[-1] in SECTIONS:
        return 0
    place = at + 2
    while place < len(words) and words[place] in (
        "need",
        "want",
        "to",
        "know",
        "store",
        "keep",
        "have",
        "record",
        "save",
    ):
        place += 1
    owner = owner_of(nouns, reading.draft) if place > at + 2 and words[place : place + 1] else None
    items, end = items_at(words, place) if owner else ([], at)
    if owner is None or not items:
        return 0
    reading.take(owner, items)
    return end


def _states_label(reading: Reading, nouns: tuple[str, ...], at: int) -> int:
    """'Status: running, succeeded, failed' on its own: values of the thing spoken of."""
    words, owner = reading.words, reading.draft.current
    if owner is None or not owner.described or words[at] != ":" or singular(nouns[-1]) not in STATE_FIELDS:
        return 0
    if reading.draft.exact(nouns) is not None:
        return 0
    listed: list[str] = []
    place = at + 1
    while place < len(words):
        place = closing(words, place) + 1 if words[place] == "(" else place + 1
        listed.append(words[place - 1] if words[place - 1] != ")" else "")
    values, _ = values_at([word for word in listed if word], 0)
    if len(values) < 2:
        return 0
    known = next((field.words for field in owner.fields.values() if field.name in STATE_FIELDS), None)
    owner.add(FieldDraft(known or (singular(nouns[-1]),), choices=values))
    return len(words)


def _bare_list(reading: Reading) -> int:
    """'Guests. Name, email, diet': a sentence that is nothing but fields of what was named just before."""
    words, draft = reading.words, reading.draft
    first, _ = noun_phrase(words, 0)
    if first[:1] and first[-1] in COMMON_FIELDS and len(first) < 3 and draft.spoken:
        items, end = items_at(words, 0)
        owner = owner_of(draft.spoken, draft) if len(items) > 2 and end >= len(words) - 1 else None
        if owner is not None:
            reading.take(owner, items)
            return end
    if len(words) < 4 and first and is_plural(first[-1]) and first[-1] not in SYSTEM_NOUNS | SECTIONS:
        draft.spoken = first
    return 0


def _names_thing(words: Sequence[str], start: int, after: int, nouns: tuple[str, ...], *, telling: bool) -> bool:
    """Whether what stands before the mark names a thing, not a section of the text or a command."""
    if nouns[0] in SECTIONS and words[after] not in ("=", "->") and not (telling and nouns[0] not in NOT_THINGS):
        return False
    named = words[start] in NOUN_VERBS and (words[after] != "(" or not is_plural(nouns[-1]))
    return named or not starts_with_verb(words[start:])


def lists_fields(reading: Reading, at: int) -> bool:
    """Whether names follow, not a clause ('a grade is …'), other things with fields, commands or software."""
    words = reading.words
    while at < len(words) and (words[at] in LIST_LEADS | DETERMINERS or words[at] in "[{("):
        at += 1
    if at < len(words) and (found := verb_at(words, at)) and set(OPERATIONS[found[0].base]) & _CORE:
        after = at + found[1]
        if (
            after >= len(words)
            or words[after] in ("by", "a", "an", "the", "and", "or", "all")
            or verb_at(words, after + 1)
        ):
            return False
    nouns, after = noun_phrase(words, at)
    following = words[after] if after < len(words) else "."
    if following in _CLAUSE or "crud" in nouns:
        return False
    if nouns and (
        following == "with" or (following in (":", "whose", "that", "which", "who") and is_plural(nouns[-1]))
    ):
        return False
    ends = after >= len(words) - 1 or following in ("for", "that", "to", "which", "where")
    if nouns and ends and nouns[-1] in NEVER_OWNERS - PLAIN_NAMES:
        return False
    if following == "(" and nouns:
        inside = words[after + 1 : closing(words, after)]
        return "," not in inside or not (is_plural(nouns[-1]) or holds_fields(nouns, inside))
    return True


def holds_fields(nouns: tuple[str, ...], inside: Sequence[str]) -> bool:
    """Whether parentheses after a noun hold fields of it, rather than its values: 'yarn (brand, weight in grams)'."""
    if set(inside) & COMMON_FIELDS or ":" in inside or "->" in inside:
        return True
    if is_choice(nouns) or "or" in inside:
        return False
    items, _ = items_at(inside, 0)
    return len(items) > 2 and sum(type_of(item) != "text" for item in items) > 0


def field_label(reading: Reading, after: int, nouns: tuple[str, ...]) -> int:
    """'Fields: title, author', 'Book fields: title', 'Properties of a server: hostname'."""
    draft = reading.draft
    own = tuple(word for word in nouns if word not in FIELD_WORDS | STORE_VERBS | MORE)
    owner = (owner_of(own, draft) or draft.entity(own)) if own else draft.main()
    items, end = items_at(reading.words, after + 1)
    if owner is None or not items:
        return 0
    reading.take(owner, items)
    return end
