"""Sentences that say what a thing points to: 'belongs to', 'is written by', 'links a student with a course'."""

from __future__ import annotations

from .inflect import is_plural
from .lexicon.describing import NEVER_OWNERS, PLAIN_NAMES, TO_ONE, TO_ONE_WEAK
from .owners import owner_of
from .phrases import noun_phrase
from .reading import Reading

_ONE = frozenset({"a", "an", "one", "exactly", "the", "certain", "its", "their", "this", "some"})
_BY = frozenset({"on", "at", "by", "for", "in", "to", "from", "under", "of", "with", "as"})
_KEPT_IN = frozenset({"file", "memory", "table", "database", "disk"})


def point_at(reading: Reading, at: int) -> int:
    """Where to read on after a phrase that points to another thing; 0 where none begins here."""
    words = reading.words
    for phrases, weak in ((TO_ONE, False), (TO_ONE_WEAK, True)):
        for phrase in phrases.get(words[at], ()):
            if tuple(words[at : at + len(phrase)]) == phrase:
                return _to_one(reading, at, at + len(phrase) - (phrase[-1] in ("a", "one")), weak=weak)
    return _done_with(reading, at) if words[at] in ("is", "are") else 0


def _to_one(reading: Reading, at: int, after: int, *, weak: bool) -> int:
    """'a pet belongs to an owner and a clinic'."""
    words, draft = reading.words, reading.draft
    subject = reading.possessor(at) or (None if weak else reading.subject or draft.current)
    if subject is None:
        return at + 1
    place, found = after, 0
    while True:
        nouns, end = noun_phrase(words, place)
        known = draft.exact(nouns) is not None
        if not nouns or (is_plural(nouns[-1]) and words[at] != "belong") or (nouns[-1] in NEVER_OWNERS and not known):
            break
        if weak and words[place] not in _ONE and not known:
            break
        reading.point(subject, nouns, weak=weak)
        place, found = end, found + 1
        joined = words[end : end + 1] and (words[end] == "and" or (weak and words[end] in _BY))
        if not joined or words[end + 1 : end + 2] not in (["a"], ["an"], ["one"], ["to"]):
            break
        place = end + 1 + (words[end + 1] == "to")
    if not found:
        return at + 1
    reading.speak_of(subject)
    reading.pointed = place
    return place


def _done_with(reading: Reading, at: int) -> int:
    """'a calibration is performed on a device at a certain date by a technician'."""
    words = reading.words
    participle = words[at + 1] if at + 1 < len(words) else ""
    nouns, end = noun_phrase(words, 0)
    if words[0] not in ("a", "an", "each", "every") or end != at or not participle.endswith(("ed", "en", "one", "lt")):
        return 0
    place, found = at + 2, []
    while place + 1 < len(words) and words[place] in _BY and words[place + 1] in _ONE:
        target, after = noun_phrase(words, place + 1)
        if not target or target[-1] in NEVER_OWNERS - PLAIN_NAMES or target[-1] in _KEPT_IN:
            break
        found.append(target)
        place = after
    owner = owner_of(nouns, reading.draft) if found else None
    if owner is None:
        return 0
    for target in found:
        reading.point(owner, target, weak=True)
    reading.speak_of(owner)
    return place


def linking(reading: Reading, at: int) -> int:
    """'a submission links a student with an assignment'."""
    words, place = reading.words, at + 1
    found: list[tuple[str, ...]] = []
    while place < len(words) and len(found) < 3 and words[place] in ("a", "an", "one", "the"):
        nouns, place = noun_phrase(words, place)
        if not nouns:
            break
        found.append(nouns)
        if words[place : place + 1] not in (["to"], ["with"], ["and"]):
            break
        place += 1
    subject = reading.possessor(at) if len(found) > 1 else None
    if subject is None:
        return at + 1
    for nouns in found:
        reading.point(subject, nouns, weak=True)
    reading.speak_of(subject)
    return place
