"""The name of a field in a list: its nouns, 'of birth' and 'per hour', the moment or the values that follow it."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import FieldDraft
from .lexicon.inflections import IRREGULAR_PAST
from .lexicon.items import (
    DROPPED_LAST,
    KEEPS_OF,
    LAST_TYPES,
    NAMING,
    NOT_IN_NAMES,
    ORDINALS,
    REQUIREMENT,
    SEPARATORS,
    TYPED_FIRST,
)
from .lexicon.types import SAID
from .lexicon.words import ADVERBS
from .modifiers import is_choice, values_at
from .phrases import is_noun, noun_phrase

_MOVED = {
    "went out": "out", "came back": "returned", "came in": "received", "go out": "out",
    "comes back": "returned", "came out": "released", "passed away": "died",
}  # fmt: skip
_TRAILING = frozenset({"at", "on", "by", "from", "to", "until", "for", "in"})
_PARTICIPLES = frozenset(IRREGULAR_PAST.values()) | {"due"}


def values_follow(
    nouns: tuple[str, ...], words: Sequence[str], after: int
) -> tuple[tuple[str, ...], tuple[str, ...], int] | None:
    """'status draft, published or cancelled', 'a state of open or closed': name, values and the place after them."""
    if nouns and is_choice(nouns) and words[after : after + 1] == ["of"]:
        names, start = nouns, after + 1
    elif len(nouns) > 1 and is_choice(nouns[:-1]) and words[after - 1] == nouns[-1]:
        names, start = nouns[:-1], after - 1
    else:
        return None
    values, end = values_at(words, start)
    return (names, values, end) if len(values) > 1 and "or" in words[start:end] else None


def moment_at(words: Sequence[str], at: int) -> tuple[str, int] | None:
    """'the date it was lent', 'the time when it was written': the participle, and the place after it."""
    place = at + (words[at : at + 1] in (["when"], ["that"], ["on"], ["at"]))
    if words[place : place + 1] and words[place] in ("it", "they", "he", "she", "that", "this"):
        end = place + 1
        while end < len(words) and words[end] in ("was", "is", "were", "are", "has", "have", "been", "will", "be"):
            end += 1
        if (end < len(words) and words[end] in _PARTICIPLES) or (end < len(words) and words[end].endswith("ed")):
            return words[end], end + 1
    return None


def moved_at(words: Sequence[str], at: int) -> tuple[str, int] | None:
    """'the day it came back', 'the date on which they expire', 'the year they joined': the word that tells it."""
    place = at
    while place < len(words) and words[place] in ("on", "at", "in", "which", "when", "that"):
        place += 1
    if place >= len(words) or words[place] not in ("it", "they", "he", "she", "i", "we", "you"):
        return None
    end = place + 1
    while end < len(words) and not closes(words, end):
        end += 1
    told = tuple(words[place + 1 : min(end, place + 3)])
    if not told or told[0] in ("was", "is", "were", "are", "has", "have"):
        return None
    return _MOVED.get(" ".join(told[:2])) or (
        f"{told[0]}s" if told[0] in ("expire", "start", "end", "begin") else told[0]
    ), end


def nouns_at(words: Sequence[str], at: int) -> tuple[tuple[str, ...], int]:
    """The words of a field's name; 'on loan' and 'date joined' too."""
    found: list[str] = []
    if words[at] in ("from", "to") and closes(words, at + 1):
        return (words[at],), at + 1
    if _moves_at(words, at):
        return (words[at], words[at + 1]), at + 2
    if words[at] in ("on", "in", "from", "to") and at + 1 < len(words) and is_noun(words[at + 1]):
        found.append(words[at])
        at += 1
    while at < len(words) and len(found) < 5:
        word = words[at]
        if word in "\"'`*" or (found and _possessive(words, at)):
            at += 1
            if found and word != "'s":
                break
            continue
        if not found and word in ("greater", "larger", "bigger", "smaller", "less", "higher", "lower"):
            break
        if (
            not found
            and word in ("support", "help", "use")
            and is_noun_at(words, at + 1)
            and words[at - 1] in ("a", "an", ",")
        ):
            found.append(word)
            at += 1
            continue
        lone = not found and word in ADVERBS and closes(words, at + 1)
        if not (is_noun(word) or lone or (word in ORDINALS and not found)) or (found and word in NOT_IN_NAMES):
            break
        if (
            found
            and word.endswith(("ed", "ing"))
            and word not in NAMING
            and len(word) > 4
            and not closes(words, at + 1)
            and not is_noun_at(words, at + 1)
        ):
            break
        found.append(word)
        at += 1
    return tuple(found), at


def is_noun_at(words: Sequence[str], at: int) -> bool:
    return at < len(words) and is_noun(words[at])


def _possessive(words: Sequence[str], at: int) -> bool:
    """Whether "'s" stands here and a noun follows: 'the guest's name'."""
    return words[at] == "'s" and is_noun_at(words, at + 1)


def closes(words: Sequence[str], at: int) -> bool:
    return at >= len(words) or words[at] in SEPARATORS or words[at] in "().!?:[]}/" or words[at] == "or"


def _moves_at(words: Sequence[str], at: int) -> bool:
    """'starts at', 'ends on' as the name of a field: nothing follows that would make a clause of it."""
    return (
        words[at] in ("starts", "ends", "start", "end", "begins", "opens", "closes", "departs", "arrives")
        and words[at + 1 : at + 2] in (["at"], ["on"])
        and closes(words, at + 2)
    )


def full_name(
    draft: FieldDraft, nouns: tuple[str, ...], words: Sequence[str], after: int
) -> tuple[tuple[str, ...], int]:
    """The name itself: without 'field' and 'flag', without a type said before or after it; 'of birth' is kept."""
    while len(nouns) > 1 and nouns[-1] in DROPPED_LAST:
        if nouns[-1] in ("flag", "checkbox"):
            draft.type = "boolean"
        if nouns[-1] == "reference":
            draft.references = nouns[:-1]
        nouns = nouns[:-1]
    if len(nouns) > 1 and nouns[0] in TYPED_FIRST:
        draft.type, nouns = SAID[nouns[0]], nouns[1:]
    elif len(nouns) > 1 and nouns[-1] in LAST_TYPES:
        draft.type, nouns = SAID[nouns[-1]], nouns[:-1]
    if not nouns:
        return nouns, after
    following = words[after] if after < len(words) else ""
    if following == "or" and words[after + 1 : after + 2] == ["not"]:
        draft.type = "boolean"
        return nouns, after + 2
    if following == "or" and nouns[-1] == "yes" and len(nouns) > 1 and words[after + 1 : after + 2] == ["no"]:
        draft.type = "boolean"
        return nouns[:-1], after + 2
    if (
        following == "of"
        and nouns[-1] in ("name", "names")
        and words[after + 1 : after + 2] in (["the"], ["a"], ["its"], ["their"], ["his"], ["her"])
    ):
        owner, end = noun_phrase(words, after + 1)
        if 0 < len(owner) < 3 and nouns == nouns[-1:] and len(words) > end:
            return (*owner, "name"), end
    if following in ("of", "per") and is_noun_at(words, after + 1):
        owner, end = noun_phrase(words, after + 1)
        if len(nouns) < 4 and (closes(words, end) or nouns[-1] in KEEPS_OF):
            return (*nouns, following, *owner[:2]), end
    if following in _TRAILING and words[after + 1 : after + 2] in (["on"], ["at"], ["by"]) and closes(words, after + 2):
        return (*nouns, following, words[after + 1]), after + 2
    said = words[after + 1 : after + 2] == ["-"] and is_noun_at(words, after + 2)
    if following in _TRAILING and (said or closes(words, after + 1) or words[after + 1] in REQUIREMENT):
        return (*nouns, following), after + 1
    if (
        following in ("at", "on")
        and words[after + 1] in LAST_TYPES | {"date", "timestamp", "time"}
        and closes(words, after + 2)
    ):
        draft.type = "datetime" if following == "at" else "date"
        return (*nouns, following), after + 2
    return nouns, after
