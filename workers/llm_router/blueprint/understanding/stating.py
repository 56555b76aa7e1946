"""Sentences that give a thing a field without listing it: its states, or a type that one more field must have."""

from __future__ import annotations

from .draft import FieldDraft
from .inflect import singular
from .lexicon.describing import ITS
from .lexicon.states import BEGINNINGS, STATE_FIELDS
from .lexicon.types import SAID
from .modifiers import apply, values_at
from .owners import before, owner_of
from .phrases import is_noun, noun_phrase
from .reading import Reading
from .verbs import phrase_before, verb_at

_BETWEEN = frozenset({":", "are", "of", "being", "-", "is", "following", "these", "one"})
_MOVING = frozenset(
    {"move", "moves", "pass", "run", "cycle", "transition", "progress", "goes", "go", "changes", "passes"}
)
_FIRST_CUES = frozenset({"as", "initially", "first"})
_UNTIL = frozenset({"until", "till", "when", "initially", "once", "first", "unless"})
_CHANGING = frozenset({
    ("at", "first"), (",", "and"), (",", "but"), (",", "then"), ("in", "the"), ("to", "begin"), ("and", "can"),
    ("but", "can"), ("and", "then"), ("and", "later"), ("and", "becomes"), (",", "becomes"), (",", "later"),
    (";", "it"), (";", "then"), (";", "later"), (";", "afterwards"), ("by", "default"),
})  # fmt: skip
_BEGINS = frozenset({
    "new", "open", "planned", "scheduled", "valid", "received", "stored", "pending", "waiting", "draft", "created",
    "requested", "submitted", "queued", "todo", "idle", "fresh", "booked", "reported", "registered", "offered",
})  # fmt: skip
_VAGUE_TYPES = frozenset({"number", "text", "link", "choice", "real", "whole", "double"})


def state_at(reading: Reading, at: int) -> int:
    """Where to read on after a statement of states or of a type that begins here; 0 where none does."""
    words, word = reading.words, reading.words[at]
    if word in ("must", "should", "is", "shall") and words[at + 1 : at + 2] in (["be"], ["a"], ["an"]):
        return _typed(reading, at) or _states(reading, at)
    if word in ("is", "are", "starts", "stays", "remains", "start"):
        return _states(reading, at) or _at_first(reading, at)
    if word in ("can", "may"):
        return _states(reading, at)
    if word == "from" and at and words[at - 1] in _MOVING:
        return _from_to(reading, at)
    return 0


def _states(reading: Reading, at: int) -> int:
    """'a work order can be open, started or finished': states without a name are its status."""
    words = reading.words
    start = at + 1 + (words[at + 1 : at + 2] == ["be"])
    start += words[start : start + 1] in (["either"], ["one"])
    placed = words[start : start + 1] and words[start] in ("on", "in", "under") and words[at + 1] == "be"
    if start >= len(words) or not (is_noun(words[start]) or placed):
        return 0
    if words[at - 1] not in ITS and (named := before(words, at)) and reading.draft.find(named) is None:
        return 0
    values, end = values_at(words, start)
    stepped = {"or", "then", "→", "->"} & set(words[start:end])
    owner = reading.possessor(at) if len(values) > 1 and stepped else None
    if owner is None or not owner.fields or set(values) & set(owner.fields):
        return 0
    participles = all(
        (found := verb_at([value], 0)) and found[0].kind == "past" and value != found[0].base for value in values
    )
    if participles and "then" not in stepped and "either" not in words[at:start]:
        return 0
    if any(set(field.choices) & set(values) for field in owner.fields.values()):
        return 0 if all(value.endswith("ed") for value in values) else end
    if reading.draft.exact(before(words, at)) is None and words[at - 1] not in ITS:
        return 0
    reading.take(owner, [FieldDraft(("status",), choices=values)])
    if "then" in stepped:
        owner.reaches += values[1:]
    return end


def _at_first(reading: Reading, at: int) -> int:
    """'an appointment is scheduled at first', 'a request is open until …', 'new orders are pending, and …'."""
    words, place = reading.words, at + 1
    while place < len(words) and words[place] in ("out", "as", "in", "first", "initially", "always"):
        place += 1
    state = words[place] if place < len(words) else ""
    cue = _FIRST_CUES & set(words[at + 1 : place]) or (
        words[place + 1 : place + 2]
        and (words[place + 1] in _UNTIL or tuple(words[place + 1 : place + 3]) in _CHANGING)
    )
    known = state in BEGINNINGS.values() or state in _BEGINS or state in BEGINNINGS or words[at] in ("stays", "remains")
    if not cue or not known:
        return 0
    named = before(words, at) or (phrase_before(words, max(0, at - 2)) if words[at - 1] in ITS else ())
    of_state = bool(named) and named[-1] in STATE_FIELDS
    if named and not of_state and reading.draft.find(named) is None:
        return 0
    owner = reading.subject or reading.draft.current if of_state else reading.possessor(at)
    if (
        owner is None
        or not owner.fields
        or any(field.choices and field.name in STATE_FIELDS for field in owner.fields.values())
    ):
        return 0
    if any(state in (field.name, *field.choices) for field in owner.fields.values()):
        return 0
    known_field = next((field.words for field in owner.fields.values() if field.name in STATE_FIELDS), ("status",))
    reading.take(owner, [FieldDraft(known_field, choices=(state,), default=state)])
    return place + 1


def _from_to(reading: Reading, at: int) -> int:
    """'an invoice goes from draft to sent to paid'."""
    words, place = reading.words, at + 1
    steps: list[str] = []
    while len(steps) < 12:
        values, after = values_at(words, place)
        if not values:
            break
        steps += values[0].split("_to_") if len(values) == 1 else values
        place = after
        while place < len(words) and words[place] in ("to", "then", ",", "and", "finally", "->", "via"):
            place += 1
        if place == after:
            break
    owner = reading.possessor(at - 1)
    if len(steps) < 2 or owner is None:
        return 0
    known = next((field for field in owner.fields.values() if set(field.choices) & set(steps)), None)
    words_of = known.words if known else ("status",)
    reading.take(owner, [FieldDraft(words_of, choices=tuple(dict.fromkeys(steps)))])
    owner.reaches += tuple(steps[1:])
    return place


def _typed(reading: Reading, at: int) -> int:
    """'Capacity must be a positive integer': a field that nothing has listed before."""
    words, owner = reading.words, reading.draft.current
    end = next((place for place in range(at, len(words)) if words[place] in (",", ".", ";")), len(words))
    nouns = phrase_before(words, at)
    typed = any(word in SAID and word not in _VAGUE_TYPES for word in words[at : min(end, at + 7)])
    if not typed or owner is None or not nouns or len(nouns) > 2 or at - len(nouns) > 1:
        return 0
    if reading.draft.find(nouns) or owner.field_called(nouns):
        return 0
    field = FieldDraft(nouns)
    apply(field, words[at:end])
    reading.take(owner, [field])
    return end


def moves(reading: Reading, at: int) -> int:
    """'samples move through the states collected, received and discarded'."""
    words, start = reading.words, at + 1
    while start < len(words) and words[start] in _BETWEEN:
        start += 1
    values, end = values_at(words, start)
    nouns, _ = noun_phrase(words, 0)
    while len(nouns) > 1 and nouns[-1] in _MOVING:
        nouns = nouns[:-1]
    owner = owner_of(nouns, reading.draft, firmly=False) or reading.subject or reading.draft.current
    if len(values) < 2 or owner is None:
        return at + 1
    name = "status" if words[at] in ("statuses", "steps") else singular(words[at])
    known = next((field for field in owner.fields.values() if field.name in STATE_FIELDS), None)
    reading.take(owner, [FieldDraft(known.words if known else (name,), choices=values)])
    return end
