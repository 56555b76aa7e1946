"""Sentences that say what a thing points to: 'belongs to', 'is written by', 'links a student with a course'."""

from __future__ import annotations

from .draft import FieldDraft
from .inflect import is_plural
from .lexicon.describing import HAS_PHRASES, NEVER_OWNERS, PLAIN_NAMES, TO_ONE, TO_ONE_WEAK
from .lexicon.inflections import IRREGULAR_PAST
from .owners import opening, owner_of
from .phrases import noun_phrase
from .reading import Reading
from .verbs import is_verb_at

_ONE = frozenset({"a", "an", "one", "exactly", "the", "certain", "its", "their", "this", "some"})
_BY = frozenset({"on", "at", "by", "for", "in", "to", "from", "under", "of", "with", "as", "per"})
_SOMEHOW = frozenset({"to", "on", "in", "at", "by", "for", "from", "under"})
_PARTICIPLES = frozenset(IRREGULAR_PAST.values()) | {"put", "paid"}
_KEPT_IN = frozenset({"file", "memory", "table", "database", "disk"})


def point_at(reading: Reading, at: int) -> int:
    """Where to read on after a phrase that points to another thing; 0 where none begins here."""
    words = reading.words
    for phrases, weak in ((TO_ONE, False), (TO_ONE_WEAK, True)):
        for phrase in phrases.get(words[at], ()):
            if tuple(words[at : at + len(phrase)]) == phrase:
                return _to_one(reading, at, at + len(phrase) - (phrase[-1] in ("a", "one")), weak=weak)
    if words[at] in ("is", "are"):
        return _done_with(reading, at)
    following = words[at + 1] if at + 1 < len(words) else ""
    aimed = following in ("a", "an", "one") or (is_plural(following) and reading.subject is None)
    return _somehow(reading, at) if words[at] in _SOMEHOW and aimed else 0


def _somehow(reading: Reading, at: int) -> int:
    """'lots come from a consignor': a reference if what it names is described; else nothing is taken of it."""
    words, draft = reading.words, reading.draft
    if any(is_verb_at(words, place) for place in range(at)):
        return 0
    nouns, after = noun_phrase(words, at + 1)
    subject = (
        reading.subject
        or opening(words, at, draft)
        or (draft.current if words[0] in ("it", "they", "each", "they're") else None)
    )
    if subject is None or not nouns or nouns[-1] in NEVER_OWNERS:
        return 0
    target = draft.canonical(nouns)
    if target != subject.words:
        subject.add(FieldDraft(target, references=target, weak=True, fleeting=True))
    if words[after : after + 1] == [":"]:
        reading.speak_of(subject)
        reading.pointed = after
    return after


def _to_one(reading: Reading, at: int, after: int, *, weak: bool) -> int:
    """'a pet belongs to an owner and a clinic'."""
    words, draft = reading.words, reading.draft
    subject = reading.possessor(at) or (None if weak else reading.subject or draft.current)
    if subject is None:
        return at + 1
    place, found = after, 0
    while True:
        nouns, end = noun_phrase(words, place)
        known = draft.exact(nouns) is not None or (found > 0 and nouns in (("date",), ("day",)))
        if (
            not nouns
            or (is_plural(nouns[-1]) and words[at] != "belong" and not weak)
            or (nouns[-1] in NEVER_OWNERS and not known)
        ):
            break
        if words[place] not in _ONE | {"each", "another", "some"} and not known and not is_plural(nouns[-1]):
            break
        reading.point(subject, nouns, weak=weak, fleeting=weak and (is_plural(nouns[-1]) or words[place] == "the"))
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
    several = bool(nouns) and is_plural(nouns[-1]) and words[at] == "are"
    if not (several or words[0] in ("a", "an", "each", "every")) or end != at:
        return 0
    if not participle.endswith(("ed", "en", "one", "lt")) and participle not in _PARTICIPLES:
        return 0
    place, found = at + 2, []
    place += words[place : place + 1] in (["up"], ["out"], ["down"]) and words[place + 1 : place + 2] == ["by"]
    while place + 1 < len(words) and words[place] in _BY and (words[place + 1] in _ONE or words[place] == "per"):
        if several and words[place + 1] == "the":
            break
        target, after = noun_phrase(words, place + 1)
        if not target or target[-1] in NEVER_OWNERS - PLAIN_NAMES or target[-1] in _KEPT_IN:
            break
        found.append(target)
        place = after
    has = tuple(words[at + 1 : at + 3]) in HAS_PHRASES
    owner = owner_of(nouns, reading.draft) if found and not has else None
    if owner is None:
        return 0
    for target in found:
        reading.point(owner, target, weak=True)
    reading.speak_of(owner)
    reading.pointed = place
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
