"""Changes of state: 'mark a task as done', 'a book can be borrowed and returned', 'from draft to sent'.

Where the state is kept is decided once all changes are known: in a field that lists it, in a flag, or in a new status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.artifacts.model import Operation

from .draft import EntityDraft, FieldDraft
from .fieldtypes import type_of
from .inflect import snake, verb_forms
from .lexicon.states import BEGINNINGS, OPPOSITES, RETURNS, STATE_FIELDS, STATE_SYNONYMS
from .lexicon.verbs import TRANSITIONS
from .modifiers import values_at
from .phrases import noun_phrase
from .verbs import Mention

_NOT_STATES = frozenset({"it", "the", "a", "an", "csv", "json", "file", "favourites", "list", "and", "or"})
# Verbs that mean something else unless the thing has a state that fits.
_NEED_A_STATE = frozenset(
    {
        "open",
        "assign",
        "check in",
        "retry",
        "send",
        "occupy",
        "release",
        "start",
        "stop",
        "restore",
        "pay",
        "return",
        "star",
        "renew",
        "reserve",
        "verify",
        "accept",
        "promote",
        "sell",
        "rent",
    }
)


class Change(NamedTuple):
    """One change of state as it was said; `names` are its spellings, the first is the one to use for a new state."""

    entity: EntityDraft
    names: tuple[str, ...]
    sources: tuple[str, ...]


def by_verb(verb: str, words: Sequence[str], mention: Mention, target: EntityDraft) -> Change | None:
    """The change that a verb of its own names; None where it means something else here."""
    if not mention.passive and words[mention.start + 1 : mention.start + 2] in (
        ["at"],
        ["on"],
        ["from"],
        ["with"],
        ["when"],
    ):
        return None
    state = TRANSITIONS[verb]
    past = verb_forms(verb)["past"].replace(" ", "_")
    change = Change(target, (state, past, snake((verb,))), _sources(words, mention))
    if verb in _NEED_A_STATE and not mention.passive and not mention.objects and _kept(change) is None:
        return None
    return change


def gone(verb: str, change: Change) -> bool:
    """Whether to cancel or withdraw something is to delete it: it has no state in which it could stay."""
    stays = any(
        field.name in STATE_FIELDS or change.names[1] in field.choices for field in change.entity.fields.values()
    )
    return verb in ("cancel", "void", "withdraw") and not stays and _kept(change) is None


def by_mark(words: Sequence[str], mention: Mention, target: EntityDraft) -> list[Change]:
    """'mark X as done', 'move X from draft to sent', 'set the status to closed'."""
    place = mention.end
    limit = min(len(words), place + 8)
    while place < limit and words[place] not in (
        "as",
        "to",
        "done",
        "paid",
        "complete",
        "completed",
        "finished",
        "into",
        "with",
    ):
        place += 1
    if place >= limit:
        return []
    start = place + (words[place] in ("as", "to", "into"))
    while start < len(words) and words[start] in ("be", "being", "having", "been", "a", "either"):
        start += 1
    values, end = values_at(words, start)
    several = "or" in words[start:end] or "/" in words[start:end]
    values = values if several else values[:1]
    changes = [Change(target, (value,), _sources(words, mention)) for value in values if value not in _NOT_STATES]
    known = [change for change in changes if _kept(change) is not None]
    if mention.verbs[0] in ("mark", "flag", "tick", "label") or (mention.verbs[0] == "move" and several):
        return known or changes[:3]
    return known


def by_choice(words: Sequence[str], entities: Sequence[EntityDraft], at: int) -> Change | None:
    """A verb that no list holds, but whose participle is a state: 'analysing' where a sample can be analysed."""
    for entity in entities:
        for field in entity.fields.values():
            for choice in field.choices if field.name in STATE_FIELDS else ():
                if choice.endswith("ed") and words[at] in _forms_of(choice):
                    return Change(entity, (choice,), ())
    return None


def _forms_of(participle: str) -> set[str]:
    short = participle[:-2]
    stems = {short, f"{short}e"} | ({short[:-1]} if short[-1:] == short[-2:-1] else set())
    return stems | {f"{short}ing"}


def settle_changes(changes: Sequence[Change]) -> list[Operation]:
    """The operations, once it is known which states each entity needs."""
    loose: dict[str, list[Change]] = {}
    for change in changes:
        if _kept(change) is None:
            loose.setdefault(change.entity.key, []).append(change)
    for pending in loose.values():
        _make_room(pending)
    found = []
    for change in changes:
        kept = _kept(change)
        if kept is not None:
            field, value = kept
            sources = tuple(source for source in change.sources if source in field.choices and source != value)
            found.append(
                Operation(name="transition", entity=change.entity.name, field=field.name, to=value, sources=sources)
            )
    return found


def _make_room(pending: Sequence[Change]) -> None:
    """Give an entity a field for states that no field of it lists yet."""
    entity = pending[0].entity
    states = list(dict.fromkeys(change.names[0] for change in pending))
    status = next((entity.fields[name] for name in STATE_FIELDS if name in entity.fields), None)
    if status is None and len(states) == 1 and states[0] not in BEGINNINGS.values():
        entity.add(FieldDraft((states[0],), type="boolean", default="false"))
        return
    states = [_returned(state, states) for state in states]
    if status is None:
        status = FieldDraft(("status",))
        entity.add(status)
        status.choices = (BEGINNINGS.get(states[0], "open"),)
    if type_of(status) not in ("enum", "text"):
        return
    beginning = (snake((status.default,)),) if status.default else ()
    status.choices = tuple(dict.fromkeys((*status.choices, *beginning, *states))) or (
        BEGINNINGS.get(states[0], "open"),
        *states,
    )
    if len(status.choices) == len(states):
        status.choices = tuple(dict.fromkeys((BEGINNINGS.get(states[0], "open"), *states)))
    status.type, status.default = "enum", status.default or status.choices[0]


def _returned(state: str, states: Sequence[str]) -> str:
    """'borrowed and returned': what comes back is as it was at the beginning."""
    return BEGINNINGS.get(states[0], state) if states[0] in RETURNS.get(state, ()) else state


def _kept(change: Change) -> tuple[FieldDraft, str] | None:
    """The field that holds the state of a change, and the state as that field spells it."""
    names = set(change.names)
    alike = names | {other for group in STATE_SYNONYMS if group & names for other in group}
    fields = change.entity.fields.values()
    for wanted in (names, alike):
        for field in fields:
            for value in field.choices:
                if value in wanted:
                    return field, value
        for field in fields:
            if type_of(field) == "boolean" and {field.name, field.name.removeprefix("is_")} & wanted:
                return field, "true"
    opposite = {other for name in names for other in OPPOSITES.get(name, ())}
    for field in fields:
        if type_of(field) == "boolean" and field.name.removeprefix("is_") in opposite:
            return field, "false"
    return None


def _sources(words: Sequence[str], mention: Mention) -> tuple[str, ...]:
    """The states from which the change is allowed, where the sentence says so: 'from X to Y', 'only X ones'."""
    for place in range(mention.start, min(len(words), mention.end + 10)):
        if words[place] in ("from", "only"):
            nouns, _ = noun_phrase(words, place + 1)
            return (snake(nouns[:1]),) if nouns else ()
    return ()
