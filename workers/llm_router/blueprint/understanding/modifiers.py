"""What is said about one field: its type, bounds, default, values, and whether it must be there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .draft import FieldDraft
from .inflect import snake
from .lexicon.types import CHOICE_NAMES, LAST_WORD, SAID, UNITS
from .phrases import is_noun, number

MAX_WORDS = 80

_N = r"(-? ?\d[\d.,]*|zero|one|two|three|four|five|six|seven|eight|nine|ten|twelve|hundred|thousand)"
_BOTH = re.compile(
    rf"\b(?:between|from|range|ranging from|in)? ?(?<![\w-]){_N} (?:and|to|until|till|-|\. \.|through|up to) {_N}(?!\w)"
)
_AT_LEAST = re.compile(
    rf"(?:at least|min|minimum|minimum of|minimal|minimum length|min length|not less than|no less than|>=|not below"
    rf"|not under|not shorter than|no fewer than|not lower than|starting at|minimum is) (?:of |: |is )?{_N}"
)
_AT_MOST = re.compile(
    rf"(?:at most|max|maximum|maximum of|maximum length|max length|max_length|up to|no more than|not more than|<="
    rf"|no longer than|not longer than|not exceed|exceed|limited to|not above|not over|maximal|within"
    rf"|longer than|not be longer than|maximum is|not greater than) (?:of |: |is )?{_N}"
)
_ABOVE = re.compile(
    rf"(?<!not )(?<!no )(?:greater than|more than|larger than|bigger than|higher than|above|over|>) {_N}"
)
_BELOW = re.compile(rf"(?<!not )(?<!no )(?:less than|fewer than|smaller than|lower than|below|under|<) {_N}")
_OR_MORE = re.compile(rf"{_N} or (?:more|greater|higher|above|up)\b")
_CHARACTERS = re.compile(
    rf"{_N} (?:characters|chars|letters|symbols|digits)(?: long| max| at most| or (?:less|fewer))?"
)
_LENGTH = re.compile(r"\b(?:character|char|letter|long|length|longer|shorter|digit|word)s?\b")
_NOT_NEGATIVE = re.compile(
    r"\bnon-?negative|(?:not|never|cannot|can't|n't|no)(?: be)? (?:negative|below zero)|zero or (?:more|greater)"
)
_POSITIVE = re.compile(r"(?<!non-)(?<!not )\bpositive\b")
_OPTIONAL = re.compile(
    r"\boptional|\bnullable|\bnot (?:required|mandatory|necessary|obligatory)|(?:may|can|could|might)(?: also)? be "
    r"(?:empty|blank|omitted|null|missing|left (?:out|empty|blank|off)|absent|skipped)|\bif (?:known|any"
    r"|available|there is"
    r"|applicable|given)|need not be (?:given|set)|\bnot needed|(?<!not )\bnull\b|don't have to"
    r"|doesn't have to|not always"
)
_REQUIRED = re.compile(
    r"\brequired|\bmandatory|\bcompulsory|\bobligatory|(?:not|never|n't|cannot)(?: be)? (?:empty|blank"
    r"|null|omitted|missing|left)"
    r"|\bmust be (?:given|present|set|provided|filled)|\bnot null|\bnon-empty|\bnecessary"
)
_UNIQUE = re.compile(
    r"(?<!not )(?<!non-)\bunique\b|no two|no duplicate|only once|distinct|must not repeat|not be reused"
)
_DEFAULT = re.compile(
    r"(?:\bdefaults? to|\bdefault(?: value)?(?: is| of| =| :)?|\bdefaulting to|\binitially"
    r"|\bstarts? (?:out )?(?:as|at|with)"
    r"|\bby default(?: it)?(?: is)?|(?<![<>=!]) =) (?:as |the |an? |set to )?[\"'`]?(-? ?[\w][\w.\-]*(?: progress)?)"
)
_BY_DEFAULT = re.compile(r"([\w.\-]+)[\"'`]? (?:by default|is the default|as (?:the )?default|\( default \))")
_REFERENCE = re.compile(
    r"(?:\breferences?(?: to)?|\blinks? to|\blinked to|\bforeign key(?: to| of)?|\bfk(?: to)?|->|→"
    r"|\bpoints? to|\brefers? to"
    r"|\bref(?: to)?|\brelation to) :?(?:the |an? |one )?([a-z][\w-]*)"
)
_NOT_VALUES = frozenset({
    "optional", "required", "mandatory", "unique", "default", "e.g", "i.e", "example", "for", "like", "in", "max",
    "min", "minimum", "maximum", "must", "may", "can", "is", "not", "at", "up", "between", "positive", "nullable",
    "characters", "chars", "and", "the", "a", "an", "of", "which", "that", "if", "when", "see", "than", "to", "null",
    "with", "either", "more", "less", "true", "false", "has", "one", "from", "by", "be", "there", "it", "non-negative",
    "primary", "key", "indexed", "auto", "iso", "format", "defaults", "references", "reference", "greater", "given",
})  # fmt: skip


def apply(draft: FieldDraft, words: Sequence[str], *, enclosed: bool = False) -> None:
    """Add to a field what the words say of it. `enclosed`: they stood in parentheses, so plain words are values."""
    words = words[:MAX_WORDS]
    if enclosed and ";" in words:
        at = words.index(";")
        apply(draft, words[:at], enclosed=True)
        apply(draft, words[at + 1 :], enclosed=";" in words[at + 1 :])
        return
    text = " ".join(words)
    draft.length = draft.length or _LENGTH.search(text) is not None
    _apply_presence(draft, text)
    _apply_type(draft, words)
    _apply_bounds(draft, text)
    _apply_default(draft, text)
    if (found := _REFERENCE.search(text)) and not (is_choice(draft.words) and found.group().startswith(("->", "→"))):
        draft.references = draft.references or (found.group(1),)
    if not draft.choices and (values := choices_in(words, enclosed=enclosed)):
        draft.choices = values
    if enclosed and draft.type is None and len(words) == 1 and not draft.choices:
        draft.type = next((kind for kind, names in LAST_WORD.items() if words[0] in names), None)


def _apply_presence(draft: FieldDraft, text: str) -> None:
    if _OPTIONAL.search(text):
        draft.required = False
    elif _REQUIRED.search(text):
        draft.required = True
    if _UNIQUE.search(text):
        draft.unique = True


def _apply_type(draft: FieldDraft, words: Sequence[str]) -> None:
    for at, word in enumerate(words):
        if word in UNITS and not draft.unit:
            draft.unit = word
        if "/" in words[at + 1 : at + 2] and word in ("yes", "true", "y"):
            draft.type = draft.type or "boolean"
        if draft.type is None and word in SAID and words[at - 1 : at] != ["/"]:
            draft.type = "integer" if word == "number" and words[at - 1 : at] == ["whole"] else SAID[word]


def _apply_bounds(draft: FieldDraft, text: str) -> None:
    if found := _BOTH.search(text):
        low, high = (_value(group) for group in found.groups())
        if low is not None and high is not None and low <= high:
            draft.minimum, draft.maximum = low, high
            return
    for pattern, slot in ((_AT_LEAST, "minimum"), (_AT_MOST, "maximum"), (_ABOVE, "above"), (_BELOW, "below")):
        if getattr(draft, slot) is None and (found := pattern.search(text)):
            setattr(draft, slot, _value(found.group(1)))
    if draft.minimum is None and (found := _OR_MORE.search(text)):
        draft.minimum = _value(found.group(1))
    if draft.maximum is None and draft.minimum is None and (found := _CHARACTERS.search(text)):
        draft.maximum = _value(found.group(1))
    if draft.minimum is None and _NOT_NEGATIVE.search(text):
        draft.minimum = 0.0
    elif draft.minimum is None and draft.above is None and _POSITIVE.search(text):
        draft.above = 0.0


def _apply_default(draft: FieldDraft, text: str) -> None:
    found = _BY_DEFAULT.search(text) or _DEFAULT.search(text)
    if found and not draft.default and found.group(1) not in ("the", "a", "an", "is", "value", "to", "of"):
        draft.default = found.group(1)


def _value(text: str) -> float | None:
    sign = -1.0 if text.startswith("-") else 1.0
    found = number(text.lstrip("- ").rstrip(".,") or "x")
    return None if found is None else sign * found


def choices_in(words: Sequence[str], *, enclosed: bool = False) -> tuple[str, ...]:
    """The values that the words list: after 'one of', 'either' and the like, with slashes, or plain in parentheses."""
    starts = [at + 2 for at in range(len(words) - 1) if tuple(words[at : at + 2]) in _TRIGGERS]
    starts += [at + 1 for at, word in enumerate(words) if word in ("either", "enum", "values", "choices", "options")]
    for start in sorted(starts):
        values, _ = values_at(words, start)
        if len(values) > 1 and not set(values) & _NOT_VALUES:
            return values
    for at, word in enumerate(words):
        if word in "/|" and 0 < at < len(words) - 1:
            values, _ = values_at(words, at - 1, marks="/|")
            if (
                len(values) > 1
                and not set(values) & (UNITS | {"minute", "hour", "day", "week", "month", "year"})
                and not set(values) & (SAID.keys() | {"none", "null"})
                and not set(values) & {"yes", "no", "true", "false", "and", "or", "y", "n"}
            ):
                return values
    while enclosed and words and words[-1] in (".", ",", "etc", "etc.", "…"):
        words = words[:-1]
    inner = [
        at
        for at, word in enumerate(words[:-1])
        if word in ("in", "not")
        and is_noun(words[at + 1])
        and words[at + 1] not in UNITS
        and (not at or words[at - 1] in ",/")
    ]
    letters = [at for at, word in enumerate(words) if word == "a" and words[at + 1 : at + 2] in ([","], ["or"], ["/"])]
    if (
        enclosed
        and not {word for at, word in enumerate(words) if at not in letters + inner} & _NOT_VALUES
        and not any(word in SAID for word in words)
    ):
        values, end = values_at(words, 0)
        if len(values) > 1 and end == len(words):
            return values
    return ()


_TRIGGERS = {
    ("one", "of"), ("any", "of"), ("can", "be"), ("may", "be"), ("must", "be"), ("could", "be"), ("should", "be"),
    ("is", "one"), ("values", ":"), ("choices", ":"), ("options", ":"), ("which", "is"), ("enum", ":"), ("enum", "of"),
    ("out", "of"), ("are", ":"), ("choice", "of"), ("selected", "from"), ("chosen", "from"), ("limited", "to"),
    ("values", "are"), ("is", "either"), ("be", "either"), ("has", "values"), ("enum", "("), ("enum", "["), ("of", ":"),
}  # fmt: skip


def values_at(words: Sequence[str], at: int, marks: str = "/|,;→") -> tuple[tuple[str, ...], int]:
    """Values separated by marks, 'or' or 'and', from `at` on, and the place after the last of them."""
    values: list[str] = []
    while at < len(words) and words[at] in (":", "(", "[", "of", "the", "following", "either", "these", "values"):
        at += 1
    closing = False
    while at < len(words) and len(values) < 30:
        value, at = _one_value(words, at)
        if not value:
            break
        values.append(value)
        if closing and "," in marks and words[at : at + 1] != ["or"]:
            break
        after = at
        while after < len(words) and (
            words[after] in marks or words[after] in ("or", "and", "then", "finally", "later", "->", "=>")
        ):
            closing = closing or words[after] == "or" or (words[after] == "and" and len(values) > 0)
            after += 1
        if after == at:
            break
        stops = after < len(words) and words[after] in ("a", "an", "the", "its", "optional", "whether", "when")
        if stops and words[after + 1 : after + 2] not in ([","], ["/"]):
            break
        at = after
    return tuple(dict.fromkeys(values)), at


def _one_value(words: Sequence[str], at: int) -> tuple[str, int]:
    while at < len(words) and words[at] in ('"', "'", "`"):
        at += 1
    start = at
    if words[at : at + 1] == ["a"] and words[at + 1 : at + 2] in ([","], ["or"], ["/"], [")"], []):
        return "a", at + 1
    while at < len(words) and at - start < 3 and _in_value(words, at):
        at += 1
    value = snake(words[start:at])
    while at < len(words) and words[at] in ('"', "'", "`"):
        at += 1
    return value, at


def _in_value(words: Sequence[str], at: int) -> bool:
    """Nouns, and the small words of 'in progress', 'to do' and 'on hold'."""
    if words[at] in ("in", "under", "on", "not", "to", "out", "up", "off", "well", "never", "always"):
        return at + 1 < len(words) and (is_noun(words[at + 1]) or words[at + 1] in ("do", "of"))
    return is_noun(words[at]) or words[at][0].isdigit() or (words[at] == "do" and words[at - 1 : at] == ["to"])


def closing(words: Sequence[str], at: int) -> int:
    """The place of the mark that closes the parenthesis at `at`."""
    depth = 0
    for end in range(at, len(words)):
        depth += (words[end] in "([{") - (words[end] in ")]}")
        if depth == 0:
            return end
    return len(words)


def is_choice(words: Sequence[str]) -> bool:
    """Whether a field of that name usually has one of a few values."""
    return bool(words) and words[-1] in CHOICE_NAMES
