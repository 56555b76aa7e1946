"""Lists of fields: 'a title (required), an optional due date and a priority that is one of low, medium or high'."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import FieldDraft
from .inflect import is_plural, singular
from .lexicon.types import SAID, UNITS
from .lexicon.words import ADVERBS, AUXILIARIES, PRONOUNS
from .modifiers import apply, values_at
from .phrases import is_noun, is_number, noun_phrase

_SEPARATORS = frozenset({",", ";", "and", "&", "plus", "or", "+"})
_REQUIREMENT = {
    "optional": False, "optionally": False, "required": True, "mandatory": True, "compulsory": True, "non-empty": True,
    "nullable": False,
}  # fmt: skip
_MANY = frozenset({"many", "several", "multiple", "various", "some"})
_GROUPS = frozenset({"list", "lists", "set", "collection", "series", "bunch", "sequence", "array", "number"})
_ENDS_LIST = (PRONOUNS - {"whose", "there", "its"}) | frozenset({
    "so", "but", "because", "can", "should", "must", "may", "will", "shall", "users", "let", "allow", "allows",
    "support", "supports", "to", "cannot", "could", "would", "then", "don't", "no", "provide", "be", "is", "are",
})  # fmt: skip
_KEEPS_OF = frozenset({
    "date", "number", "time", "year", "month", "place", "country", "day", "type", "level", "unit", "method", "rate",
    "point", "state", "city", "mode", "code", "size", "length", "cost", "total", "amount", "name", "title", "kind",
    "status", "count", "value",
})  # fmt: skip
_WHETHER = frozenset({"whether", "if"})
_LONE_FIRST = frozenset({
    "start", "end", "first", "last", "begin", "finish", "opening", "closing", "arrival", "departure", "check-in",
    "check-out", "billing", "shipping", "minimum", "maximum", "min", "max", "purchase", "sale", "family", "given",
    "home", "away", "middle", "starting", "ending", "due", "pickup", "return", "created", "updated", "net", "gross",
    "buying", "selling", "pick-up", "drop-off",
})  # fmt: skip
_SHARED_HEADS = frozenset({
    "date", "dates", "time", "times", "name", "names", "address", "price", "amount", "day", "value", "score",
    "temperature", "datetime", "number", "weight", "cost", "team",
})  # fmt: skip


def items_at(words: Sequence[str], at: int) -> tuple[list[FieldDraft], int]:
    """The fields listed from `at` on, and the place after the list."""
    found: list[FieldDraft] = []
    while at < len(words):
        at, optional = _skip_separators(words, at)
        if at >= len(words) or _ends_list(words, at):
            break
        draft, after = _item(words, at)
        if draft is None or after <= at:
            break
        if optional:
            draft.required = False
        found.append(draft)
        at = _skip_tail(words, after)
        if at >= len(words) or words[at] not in _SEPARATORS:
            break
    return _shared_heads(found), at


def item_of(words: Sequence[str]) -> FieldDraft | None:
    """One list entry that is a field: its name, and all the rest says something about it."""
    draft, after = _item(words, 0)
    if draft is not None and after < len(words):
        rest = [word for word in words[after:] if word not in "`*"]
        apply(draft, rest, enclosed=bool(rest) and rest[0] in ":-(,")
    return draft


def _skip_separators(words: Sequence[str], at: int) -> tuple[int, bool]:
    optional = False
    fillers = _SEPARATORS | {
        "also",
        "as",
        "well",
        "along",
        "with",
        "maybe",
        "perhaps",
        "possibly",
        "of",
        "course",
        "both",
        "then",
        ":",
        "-",
        "etc",
        "etc.",
    }
    while at < len(words) and (words[at] in fillers or words[at] == "optionally"):
        optional = optional or words[at] in ("optionally", "maybe", "perhaps", "possibly")
        at += 1
    return at, optional


def _ends_list(words: Sequence[str], at: int) -> bool:
    word = words[at]
    if word == "to" and words[at + 1 : at + 2] == ["do"]:
        return False
    return word in _ENDS_LIST or word in ".!?)"


def _skip_tail(words: Sequence[str], at: int) -> int:
    """Past what is said after an item that is not understood, to the next separator; stops where a new clause begins."""
    depth = 0
    while at < len(words):
        word = words[at]
        depth += (word == "(") - (word == ")")
        if depth < 0 or (depth == 0 and (word in (",", ";", "and", "&", "plus", "+") or word in ".!?")):
            return at
        if depth == 0 and word in ("so", "but", "because", "-"):
            return len(words)
        at += 1
    return at


def _item(words: Sequence[str], at: int) -> tuple[FieldDraft | None, int]:
    draft = FieldDraft(())
    at = _lead(draft, words, at)
    if at >= len(words):
        return None, at
    if words[at] in ("whether", "if", "when", "how", "who", "where", "what", "why"):
        return _clause(draft, words, at)
    nouns, after = noun_phrase(words, at)
    nouns, after = _name(draft, nouns, words, after)
    if not nouns:
        return None, at
    draft.words = nouns
    return draft, _after(draft, words, after)


def _lead(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """Determiners, 'optional', 'unique', 'many' and the like before the name."""
    while at < len(words):
        word = words[at]
        following = words[at + 1 : at + 2]
        if word in _REQUIREMENT and following and (is_noun(following[0]) or following[0] in (",", "and")):
            draft.required = _REQUIREMENT[word]
        elif word == "unique" and following and is_noun(following[0]):
            draft.unique = True
        elif word in ("positive", "non-negative"):
            apply(draft, [word])
        elif word in _MANY:
            draft.many = True
        elif word in _GROUPS and following == ["of"] and (word != "number" or words[at - 1 : at] == ["a"]):
            nouns, _ = noun_phrase(words, at + 2)
            if word == "number" and not (nouns and words[at - 1] == "a" and draft.many):
                break
            draft.many = True
            at += 1
        elif word in ("zero", "one", "any") and words[at + 1 : at + 3] in (["or", "more"], ["number", "of"]):
            draft.many = True
            at += 2
        elif not (
            word
            in (
                "a",
                "an",
                "the",
                "its",
                "their",
                "his",
                "her",
                "each",
                "own",
                '"',
                "'",
                "`",
                "*",
                "your",
                "my",
                "our",
                "some",
                "one",
                "also",
                "exactly",
                "this",
                "every",
            )
            or (is_number(word) and following and is_noun(following[0]))
        ):
            break
        at += 1
    return at


def _name(draft: FieldDraft, nouns: tuple[str, ...], words: Sequence[str], after: int) -> tuple[tuple[str, ...], int]:
    """The name itself: without 'field' and 'flag', without a type said before it, with 'of birth' kept."""
    while len(nouns) > 1 and nouns[-1] in (
        "field",
        "flag",
        "attribute",
        "column",
        "property",
        "reference",
        "value",
        "info",
        "information",
    ):
        if nouns[-1] == "flag":
            draft.type = "boolean"
        if nouns[-1] == "reference":
            draft.references = (nouns[-2],)
        nouns = nouns[:-1]
    if (
        len(nouns) > 1
        and nouns[0] in SAID
        and nouns[0] not in ("date", "link", "email", "url", "number", "currency", "percentage", "text")
    ):
        draft.type, nouns = SAID[nouns[0]], nouns[1:]
    elif len(nouns) > 1 and nouns[-1] in (
        "string",
        "integer",
        "int",
        "boolean",
        "bool",
        "enum",
        "float",
        "decimal",
        "datetime",
    ):
        draft.type, nouns = SAID[nouns[-1]], nouns[:-1]
    if nouns and nouns[-1] in _KEEPS_OF and words[after : after + 1] == ["of"]:
        owner, end = noun_phrase(words, after + 1)
        determined = words[after + 1 : after + 2] and words[after + 1] in (
            "the",
            "a",
            "an",
            "each",
            "every",
            "its",
            "their",
        )
        if owner and not determined:
            return (*nouns, "of", *owner), end
    if nouns and nouns[0] in ("currently", "optionally"):
        nouns = nouns[1:]
    return nouns, after


def _clause(draft: FieldDraft, words: Sequence[str], at: int) -> tuple[FieldDraft | None, int]:
    """'whether it is done', 'how many copies there are', 'when it was bought'."""
    asked, at = words[at], at + 1
    if asked == "how" and words[at : at + 1] in (["many"], ["much"], ["long"], ["often"], ["big"], ["old"]):
        return _how(draft, words, at)
    end = at
    while end < len(words) and words[end] not in (",", ";", "and", ".", "(", ")", "but"):
        end += 1
    said = [word for word in words[at:end] if word not in ("not", "or", "yet", "already", "been", "currently", "still")]
    telling = [word for word in said if is_noun(word)]
    if asked in _WHETHER:
        draft.type, draft.words = "boolean", tuple(telling[-1:])
    elif asked == "when":
        draft.words = (telling[-1], "at") if telling else ("time",)
        draft.type = "datetime"
        if draft.words[0].endswith("ed") or len(telling) == 1:
            draft.words = (telling[-1], "on") if telling else ("date",)
            draft.type = "date"
    elif asked == "where":
        draft.words = ("location",)
    else:
        draft.words = tuple(telling[:1])
    return (draft if draft.words else None), end


def _how(draft: FieldDraft, words: Sequence[str], at: int) -> tuple[FieldDraft | None, int]:
    nouns, after = noun_phrase(words, at + 1)
    if words[at] == "many":
        draft.words, draft.type = nouns[:2] or ("count",), "integer"
    else:
        fixed = {"much": ("amount", "number"), "long": ("duration", "integer"), "old": ("age", "integer")}
        name, kind = fixed.get(words[at], ("amount", "number"))
        draft.words, draft.type = (name,), "integer" if kind == "integer" else "number"
    return draft, after


def _after(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """What follows the name and belongs to it; returns the place after it."""
    while at < len(words):
        word = words[at]
        if word in "`*\"'":
            at += 1
        elif word in "([{":
            end = _closing(words, at)
            apply(draft, words[at + 1 : end], enclosed=True)
            at = end + 1
        elif word == ":" or (word == "=" and at + 1 < len(words)):
            at = _annotation(draft, words, at)
        elif word in "/|" and draft.words and at + 1 < len(words):
            at = _slashed(draft, words, at)
        elif word in (
            "in",
            "as",
            "from",
            "between",
            "of",
            "up",
            "at",
            "with",
            "that",
            "which",
            "must",
            "can",
            "may",
            "either",
            "one",
            "being",
            "default",
            "defaults",
            "defaulting",
            "max",
            "maximum",
            "no",
            "not",
            "should",
            "is",
            ">",
            ">=",
            "<",
            "<=",
            "limited",
            "unique",
            "required",
            "optional",
            "cannot",
            "mandatory",
            "min",
            "minimum",
            "whose",
            "to",
            "like",
            "for",
            "only",
            "if",
            "greater",
            "below",
            "above",
            "under",
            "over",
            "are",
            "long",
            "set",
            "starting",
            "has",
            "could",
            "by",
            "linking",
            "pointing",
            "referring",
            "stored",
            "given",
            "called",
            "e.g",
            "selected",
            "chosen",
        ):
            return _phrase(draft, words, at)
        else:
            return at
    return at


def _annotation(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """After a colon or an equals sign: a type, a value, or a list of values."""
    values, end = values_at(words, at + 1, marks="/|")
    if len(values) > 1:
        draft.choices = draft.choices or values
        return end
    end = at + 1
    while end < len(words) and words[end] not in (",", ";", "and", ")", "("):
        end += 1
    apply(draft, words[at:end])
    return end


def _slashed(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """'status open/closed': the last word of the name was the first value."""
    values, end = values_at(words, at - 1, marks="/|")
    if len(values) > 1 and len(draft.words) > 1:
        *name, _ = draft.words
        draft.words, draft.choices = tuple(name), values
        if set(values) <= {"yes", "no", "true", "false", "y", "n"}:
            draft.choices, draft.type = (), "boolean"
        return end
    return at + 1


def _closing(words: Sequence[str], at: int) -> int:
    depth = 0
    for end in range(at, len(words)):
        depth += (words[end] in "([{") - (words[end] in ")]}")
        if depth == 0:
            return end
    return len(words)


def _phrase(draft: FieldDraft, words: Sequence[str], at: int) -> int:
    """A clause about the field: to the next separator, or past the last of its values."""
    end = at
    while end < len(words) and not _phrase_ends(words, end):
        end += 1
    lists_values = words[at] in (
        "either",
        "one",
        "can",
        "that",
        "which",
        "must",
        "being",
        "is",
        "may",
        "of",
        "as",
        "from",
        "with",
        "could",
        "are",
        "limited",
        "should",
        "selected",
        "chosen",
    )
    if lists_values and (start := _value_start(words, at, end)):
        values, after = values_at(words, start)
        if len(values) > 1 and not set(values) & {"empty", "blank", "omitted", "null", "positive", "unique"}:
            draft.choices = draft.choices or values
            return after
    apply(draft, words[at:end])
    if end < len(words) and words[end] == "(":
        close = _closing(words, end)
        apply(draft, words[end + 1 : close], enclosed=True)
        end = close + 1
    return end


def _phrase_ends(words: Sequence[str], at: int) -> bool:
    if words[at] in (",", ";", "(", ")", ".", "!", "?"):
        return True
    if words[at] in ("and", "&"):
        ranged = set(words[max(0, at - 4) : at]) & {"between", "from"} and at + 1 < len(words)
        return not (ranged and is_number(words[at + 1]))
    return False


def _value_start(words: Sequence[str], at: int, end: int) -> int | None:
    """Where values begin in a clause such as 'which is one of', 'can be', 'either'."""
    place = at
    while place < min(end, at + 7) and words[place] in (
        "that", "which", "is", "are", "one", "of", "the", "following", "can", "may", "must", "could", "should", "be", "either",
        "being", "any", "these", "values", "as", ":", "from", "with", "limited", "to", "selected", "chosen", "only",
        "options", "choices", "out", "possible", "set", "among", "value", "has", "takes", "a",
    ):  # fmt: skip
        place += 1
    return (
        place
        if place > at
        and place < len(words)
        and (is_noun(words[place]) or words[place] in ('"', "'", "`", "in", "to", "on", "not"))
        else None
    )


def _shared_heads(found: list[FieldDraft]) -> list[FieldDraft]:
    """'start and end date' are two dates."""
    for at in range(len(found) - 1, 0, -1):
        lone, full = found[at - 1], found[at]
        if len(lone.words) == 1 and lone.words[0] in _LONE_FIRST and len(full.words) == 2:
            head = full.words[1]
            if head in _SHARED_HEADS and full.words[0] in _LONE_FIRST:
                lone.words = (*lone.words, singular(head))
                full.words = (full.words[0], singular(head))
                lone.type = lone.type or full.type
    return found


def seems_many(draft: FieldDraft) -> bool:
    """Whether a field names several things rather than one value."""
    return draft.many or (bool(draft.words) and is_plural(draft.words[-1]) and draft.words[-1] not in UNITS)


NEVER_NAMES = AUXILIARIES | ADVERBS
