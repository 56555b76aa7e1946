"""Lists of fields: 'a title (required), an optional due date and a priority that is one of low, medium or high'."""

from __future__ import annotations

from collections.abc import Sequence

from .clauses import asked_field
from .draft import FieldDraft
from .fieldnames import closes, full_name, is_noun_at, moment_at, moved_at, nouns_at, values_follow
from .fieldtypes import type_of
from .following import after_name
from .inflect import is_plural, singular
from .lexicon.describing import TO_ONE, TO_ONE_WEAK
from .lexicon.items import (
    COMMANDS,
    ENDS_LIST,
    FILLERS,
    GROUPS,
    LEADS,
    LONE_FIRST,
    MANY,
    MOVING,
    OBJECTS,
    ORDINALS,
    REQUIREMENT,
    SEPARATORS,
    VALUE_NAMES,
)
from .lexicon.types import UNITS
from .modifiers import apply, closing, is_choice, values_at
from .phrases import is_noun, is_number, noun_phrase
from .verbs import FORMS

_ASKING = frozenset({"whether", "if", "when", "how", "who", "where", "what", "why"})
_IF_ANY = frozenset({"known", "any", "available", "applicable", "needed", "given", "possible", "present", "there"})
_TELLING = frozenset({"that", "telling", "saying", "showing", "indicating", "for", "to"})
_RELATING = frozenset({"by", "on", "in", "for", "of", "from", "at", "to"})
_MOMENTS = (("date",), ("time",), ("day",), ("moment",), ("timestamp",))
_ARTICLES = frozenset({"a", "an", "one", "the", "exactly"})


def items_at(words: Sequence[str], at: int) -> tuple[list[FieldDraft], int]:
    """The fields listed from `at` on, and the place after the list."""
    found: list[FieldDraft] = []
    if (chunks := _chunks(words, at)) is not None:
        return chunks
    while at < len(words):
        at, optional = _skip_separators(words, at)
        if at >= len(words) or _ends_list(words, at) or (found and _new_subject(words, at)):
            break
        if found and (said := _said_of_last(words, at)):
            apply(found[-1], words[at:said])
            at = said
            continue
        draft, after = _item(words, at)
        if draft is None or after <= at:
            if words[at + 1 : at + 2] != [","]:
                break
            at += 1
            continue
        if optional:
            draft.required = False
        if found and draft.words[-1] in VALUE_NAMES and draft.choices:
            found[-1].choices = draft.choices
        else:
            found.append(draft)
        at = _apposition(found[-1], words, after)
        at = _skip_tail(words, at, found[-1])
        if words[at : at + 1] == ["?"] and words[at + 1 : at + 2] and words[at + 1] in SEPARATORS | {"}", ")"}:
            found[-1].required, at = False, at + 1
        elif words[at : at + 1] == ["?"] and at + 1 == len(words) and type_of(found[-1]) == "text":
            found[-1].type = "boolean"
        if at >= len(words) or words[at] not in SEPARATORS | {"a", "an"}:
            break
    return _shared_heads(found), at


def _said_of_last(words: Sequence[str], at: int) -> int:
    """Where 'unique' or 'required across the firm' ends, which says something of the item before it; else 0."""
    if words[at] not in REQUIREMENT and words[at] not in ("unique", "non-negative", "positive"):
        return 0
    after = at + 1
    if not closes(words, after) and words[after] not in ("across", "within", "in", "per", "for", "among"):
        return 0
    while not closes(words, after):
        after += 1
    return after


def _apposition(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """'a state, trial, active or cancelled': the values follow the name after a comma."""
    if words[at : at + 1] != [","] or draft.choices or not is_choice(draft.words):
        return at
    values, end = values_at(words, at + 1)
    if len(values) < 2 or words[at + 1] in LEADS or "or" not in words[at:end]:
        return at
    draft.choices = values
    return end


def item_of(words: Sequence[str]) -> FieldDraft | None:
    """One list entry that is a field: its name, and all the rest says something about it."""
    draft, after = _item(words, 0)
    if draft is not None and after < len(words):
        rest = [word for word in words[after:] if word not in "`*"]
        apply(draft, rest, enclosed=bool(rest) and rest[0] in ":-(,")
    return draft


def _skip_separators(words: Sequence[str], at: int) -> tuple[int, bool]:
    optional = False
    while at < len(words) and (words[at] in FILLERS or words[at] in ("optionally", "always", "usually", "if")):
        if words[at] == "if" and words[at + 1 : at + 2] and words[at + 1] in _IF_ANY:
            at, optional = at + 2, True
            continue
        if words[at] == "if":
            break
        optional = optional or words[at] in ("optionally", "maybe", "perhaps", "possibly")
        at += 1
    return at, optional


def _ends_list(words: Sequence[str], at: int) -> bool:
    word = words[at]
    if word == "to" and words[at + 1 : at + 2] in (["do"], ["date"], ["time"], ["day"], [","]):
        return False
    if word == "one" and is_noun_at(words, at + 1):
        return False
    if word in ENDS_LIST or word in ".!?)":
        return True
    following = words[at + 1] if at + 1 < len(words) else ""
    if word in MOVING and following in ("from", "through", "to", "between", "into"):
        return True
    form = FORMS.get(word)
    commands = word in COMMANDS or (
        form is not None and form.base == word and following not in ("of", "by", "and", "or", "to", "one")
    )
    return commands and (following in OBJECTS or (word in COMMANDS and is_plural(following)))


def _new_subject(words: Sequence[str], at: int) -> bool:
    """'…, an ingredient has a name', '…; supplier: name': another thing begins."""
    nouns, after = noun_phrase(words, at)
    if nouns and words[at - 1] == ";" and words[after : after + 1] == [":"]:
        return True
    return (
        bool(nouns)
        and after < len(words)
        and words[after] in ("has", "have", "belongs", "belong", "contains", "consists")
        and words[at] not in ("which", "that")
    ) or (
        words[at - 1] in (";", "and")
        and ";" in words[:at]
        and bool(nouns)
        and is_plural(nouns[-1])
        and words[after : after + 1] in ([","], ["that"], ["which"], ["with"], ["whose"], ["("])
    )


def _chunks(words: Sequence[str], at: int) -> tuple[list[FieldDraft], int] | None:
    """'name: required, unique; price: positive': entries between semicolons, each with a colon of its own."""
    nouns, after = noun_phrase(words, at)
    if not nouns or words[after : after + 1] not in ([":"], ["-"]) or ";" not in words[after:]:
        return None
    end = next((place for place in range(after, len(words)) if words[place] in ".!?"), len(words))
    found: list[FieldDraft] = []
    start = at
    for place in range(at, end + 1):
        if place == end or words[place] == ";":
            if draft := item_of(words[start:place]) if place > start else None:
                found.append(draft)
            start = place + 1
    return found, end


def _skip_tail(words: Sequence[str], at: int, draft: FieldDraft) -> int:
    """Past what is said after an item that is not understood, to the next separator; parentheses still count."""
    depth, start = 0, at
    while at < len(words):
        word = words[at]
        if word == "(" and depth == 0:
            apply(draft, words[at + 1 : closing(words, at)], enclosed=True)
        depth += (word == "(") - (word == ")")
        if depth < 0 or (depth == 0 and (word in SEPARATORS or word in ".!?")):
            return at
        if depth == 0 and word in ("so", "but", "because", "-"):
            return len(words)
        if at == start and word in ("a", "an") and depth == 0:
            return at
        at += 1
    return at


def _item(words: Sequence[str], at: int) -> tuple[FieldDraft | None, int]:
    draft = FieldDraft(())
    at = _lead(draft, words, at)
    if words[at : at + 1] in (["which"], ["what"]) and is_noun_at(words, at + 1):
        at += 1
    if at >= len(words):
        return None, at
    if words[at] in _ASKING:
        return asked_field(words, at)
    for phrase in (*TO_ONE.get(words[at], ()), *TO_ONE_WEAK.get(words[at], ())):
        if tuple(words[at : at + len(phrase)]) == phrase:
            return _related(words, at + len(phrase) - 1 - (phrase[-1] in _ARTICLES))
    if words[at] in _RELATING and words[at + 1 : at + 2] and words[at + 1] in _ARTICLES:
        return _related(words, at)
    nouns, after = nouns_at(words, at)
    if (
        nouns in (("flag",), ("checkbox",), ("boolean",))
        and words[after : after + 1]
        and words[after] in _ASKING | _TELLING
    ):
        told = after + 1 if words[after] in _TELLING else after
        return asked_field(words, told if words[told] in _ASKING else after)
    if (chosen := values_follow(nouns, words, after)) is not None:
        draft.words, (draft.choices, after) = chosen[0], chosen[1:]
        return draft, after_name(draft, words, after)
    nouns, after = full_name(draft, nouns, words, after)
    if not nouns:
        return None, at
    if nouns in _MOMENTS and (moment := moment_at(words, after)):
        draft.type = "date" if nouns[0] in ("date", "day") else "datetime"
        draft.words, after = (moment[0], "on" if draft.type == "date" else "at"), moment[1]
        return draft, after
    if nouns in (*_MOMENTS, ("year",)) and (moved := moved_at(words, after)):
        draft.type = "integer" if nouns[0] == "year" else "date" if nouns[0] in ("date", "day") else "datetime"
        draft.words = (
            ("year", moved[0]) if nouns[0] == "year" else (moved[0], "at" if draft.type == "datetime" else "on")
        )
        draft.words = ("date", "out") if moved[0] == "out" and draft.type == "date" else draft.words
        return draft, moved[1]
    draft.words = tuple(part for noun in nouns for part in noun.split("_") if part)
    if not draft.words:
        return None, at
    return draft, after_name(draft, words, after)


def _related(words: Sequence[str], at: int) -> tuple[FieldDraft | None, int]:
    """'by an artist', 'on an album': a thing that this one points to."""
    nouns, after = noun_phrase(words, at + 1)
    if not nouns:
        return None, at
    return FieldDraft(nouns[-2:], references=nouns[-2:], weak=True), after


def _lead(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """Determiners, 'optional', 'unique', 'many' and the like before the name."""
    while at < len(words):
        word = words[at]
        following = words[at + 1] if at + 1 < len(words) else ""
        noun_next = bool(following) and (is_noun(following) or following in ORDINALS)
        if word in REQUIREMENT and (noun_next or following in (",", "and")):
            draft.required = REQUIREMENT[word]
        elif word == "unique" and noun_next:
            draft.unique = True
        elif word in ("positive", "non-negative") and noun_next:
            apply(draft, [word])
        elif word in ("certain", "specific", "particular") and noun_next:
            pass
        elif word in MANY:
            draft.many = True
        elif word in GROUPS and following == "of":
            draft.many = True
            at += 1
        elif is_number(word) and following in ("to", "-") and words[at + 2 : at + 3] and is_number(words[at + 2]):
            apply(draft, words[at : at + 3])
            at += 2
        elif word in ("zero", "one", "any") and list(words[at + 1 : at + 3]) in (["or", "more"], ["number", "of"]):
            draft.many = True
            at += 2
        elif not (word in LEADS or (is_number(word) and noun_next)):
            break
        at += 1
    return at


def _shared_heads(found: list[FieldDraft]) -> list[FieldDraft]:
    """'start and end date' are two dates."""
    for at in range(len(found) - 1, 0, -1):
        lone, full = found[at - 1], found[at]
        if len(lone.words) == 1 and len(full.words) == 2 and (lone.words[0].endswith("ic") or lone.words[0] in "xyz"):
            lone.words = (*lone.words, full.words[1])
        if len(lone.words) == 1 and len(full.words) == 2 and {lone.words[0], full.words[0]} <= LONE_FIRST:
            head = full.words[1]
            if head not in ("id",):
                lone.words = (*lone.words, singular(head))
                full.words = (full.words[0], singular(head))
                lone.type = lone.type or full.type
    return found


def seems_many(draft: FieldDraft) -> bool:
    """Whether a field names several things rather than one value."""
    return draft.many or (is_plural(draft.words[-1]) and draft.words[-1] not in UNITS)
