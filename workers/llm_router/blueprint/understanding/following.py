"""What follows the name of a field in a list and belongs to it: '(required)', 'which is one of a, b or c', ': text'."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import FieldDraft
from .lexicon.items import ABOUT_FIELD, REQUIREMENT, VALUE_LEADS, VALUE_NAMES
from .lexicon.types import SAID
from .modifiers import apply, closing, is_choice, values_at
from .phrases import is_noun, is_number

_CLAUSES = frozenset({
    "lies", "ranges", "goes", "runs",
    "is", "can", "must", "may", "has", "starts", "defaults", "should", "are", "could", "cannot", "will",
})  # fmt: skip


def after_name(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """What follows the name and belongs to it; returns the place after it."""
    while at < len(words):
        word = words[at]
        following = words[at + 1] if at + 1 < len(words) else ""
        if word in "`*\"'" or (
            word == ","
            and following in ("which", "that", "namely")
            and words[at + 2 : at + 3]
            and (following == "namely" or words[at + 2] in _CLAUSES)
        ):
            at += 1
        elif word == "," and _told_again(draft, words, at + 1):
            at = words.index("is", at)
        elif word == "-" and is_noun(following or "-"):
            values, end = values_at(words, at + 1)
            if len(values) < 2 or "or" not in words[at:end]:
                return at
            draft.choices, at = values, end + (words[end : end + 1] == ["-"])
        elif word in "([{":
            end = closing(words, at)
            apply(draft, words[at + 1 : end], enclosed=True)
            at = end + 1
        elif word == ":" or word == "=":
            at = _annotation(draft, words, at)
        elif word in "/|" and len(draft.words) == 1:
            return at
        elif word in "/|" and at + 1 < len(words):
            at = _slashed(draft, words, at)
        elif (
            word in ABOUT_FIELD or is_number(word) or (word == "-" and at + 1 < len(words) and is_number(words[at + 1]))
        ):
            return _phrase(draft, words, at)
        else:
            return at
    return at


def _told_again(draft: FieldDraft, words: Sequence[str], at: int) -> bool:
    """'a size, where the size is small, medium or large'."""
    return list(words[at : at + 4]) == ["where", "the", draft.words[-1], "is"] or (
        list(words[at : at + 3]) == ["where", draft.words[-1], "is"]
    )


def _annotation(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """After a colon or an equals sign: a type, a default, or values."""
    values, end = values_at(words, at + 1, marks="/|")
    if len(values) > 1 and not any(value in SAID for value in values):
        draft.choices = draft.choices or values
        return end
    values, end = values_at(words, at + 1)
    closed = bool({"or", "→", "->"} & set(words[at:end])) or (
        is_choice(draft.words) and (end >= len(words) or words[end] in ").;")
    )
    if len(values) > 1 and closed and not any(value in SAID for value in values):
        draft.choices = draft.choices or values
        return end
    end = at + 1
    while end < len(words) and words[end] not in (",", ";", "and", ")", "("):
        end += 1
    apply(draft, words[at:end])
    if end == at + 2 and is_noun(words[at + 1]) and words[at + 1] not in SAID and not draft.references:
        draft.references, draft.weak = (words[at + 1],), True
    return end


def _slashed(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """'status open/closed': the last word of the name was the first value."""
    if words[at - 1] in ("yes", "true", "y") and len(draft.words) > 1:
        draft.words, draft.type = draft.words[:-1], "boolean"
        return at + 2
    values, end = values_at(words, at - 1, marks="/|")
    if len(values) > 1 and len(draft.words) > 1:
        draft.words, draft.choices = draft.words[:-1], values
        return end
    return at + 1


def _phrase(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """A clause about the field: to the next separator, or past the last of its values."""
    end = at
    if words[at] == "in" and words[at + 1 : at + 2] and words[at + 1] in "{[(":
        end = closing(words, at + 1)
        apply(draft, words[at + 2 : end], enclosed=True)
        return end + 1
    while end < len(words) and not _phrase_ends(words, end):
        end += 1
    if (start := _value_start(words, at)) is not None:
        values, after = values_at(words, start)
        counts = (
            draft.words[-1] in VALUE_NAMES
            or "or" in words[start:after]
            or "one" in words[at:start]
            or after <= end
            or "either" in words[at:start]
        )
        if (
            len(values) > 1
            and counts
            and not set(values) & REQUIREMENT.keys() | {"empty", "unique", "null", "blank"} & set(values)
        ):
            draft.choices = draft.choices or values
            apply(draft, words[at:start])
            return after
    apply(draft, words[at:end])
    if end < len(words) and words[end] == "(":
        close = closing(words, end)
        apply(draft, words[end + 1 : close], enclosed=True)
        end = close + 1
    if (stages := _stages(words, at)) is not None:
        draft.choices, end = stages
        draft.reaches = draft.choices[1:]
    return end


def _stages(words: Sequence[str], at: int) -> tuple[tuple[str, ...], int] | None:
    """'which is scheduled at first and later becomes either completed or cancelled'."""
    becomes = next(
        (
            place
            for place in range(at, min(len(words), at + 16))
            if words[place] in ("becomes", "become", "turns", "changes", "goes", "moves", "switches")
        ),
        None,
    )
    if becomes is None or words[at] not in ("that", "which", "is", "starts"):
        return None
    first = next((word for word in words[at + 1 : becomes] if is_noun(word) and word not in ("later", "starts")), None)
    start = becomes + 1
    while start < len(words) and words[start] in ("either", "to", "into", "one", "of"):
        start += 1
    values, end = values_at(words, start)
    return ((first, *values), end) if first and values else None


def _phrase_ends(words: Sequence[str], at: int) -> bool:
    if words[at] in (",", ";", "(", ")", "!", "?", "plus") or (
        words[at] == "." and words[at + 1 : at + 2] != ["."] and words[at - 1 : at] != ["."]
    ):
        return True
    if words[at] in ("and", "&"):
        following = words[at + 1] if at + 1 < len(words) else ""
        if following in (
            "unique",
            "required",
            "mandatory",
            "positive",
            "optional",
            "never",
            "not",
            "non-negative",
            "must",
        ):
            return False
        ranged = set(words[max(0, at - 4) : at]) & {"between", "from"} and at + 1 < len(words)
        return not (ranged and is_number(words[at + 1]))
    return False


def _value_start(words: Sequence[str], at: int) -> int | None:
    """Where values begin in a clause such as 'which is one of', 'can be', 'either'."""
    place = at
    while place < len(words) and place < at + 8 and words[place] in VALUE_LEADS:
        if words[place] == "a" and words[place + 1 : place + 2] == [","]:
            return place
        place += 1
    if place == at or place >= len(words) or words[at] in ("a", "for", "to", ":"):
        return None
    return place if is_noun(words[place]) or words[place] in ('"', "'", "`", "in", "to", "on", "not") else None
