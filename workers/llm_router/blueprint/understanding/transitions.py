"""Changes of state: 'mark a task as done', 'a book can be borrowed and returned', 'from draft to sent'."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts.artifacts.model import Operation

from .draft import EntityDraft, FieldDraft
from .fieldtypes import type_of
from .inflect import snake, verb_forms
from .lexicon.verbs import STATE_SYNONYMS, TRANSITIONS
from .modifiers import values_at
from .phrases import noun_phrase
from .verbs import Mention

Add = Callable[[Operation], None]


def transition(verb: str, words: Sequence[str], mention: Mention, target: EntityDraft, add: Add) -> bool:
    """The change of state that a verb of its own names; False where it means something else here."""
    state = TRANSITIONS[verb]
    field, value = _state(target, state, verb)
    if field is None and verb in ("open", "assign", "check in", "retry") and not mention.passive:
        return False
    if field is None:
        field, value = _own_state(target, state)
    add(
        Operation(
            name="transition",
            entity=target.name,
            field=field.name,
            to=value,
            sources=_sources(words, mention, field, value),
        )
    )
    return True


def mark(words: Sequence[str], mention: Mention, target: EntityDraft, add: Add) -> bool:
    """'mark X as done', 'move X from draft to sent', 'set the status to closed'."""
    place = mention.end
    limit = min(len(words), place + 8)
    verb = mention.verbs[0]
    while place < limit and words[place] not in (
        "as",
        "to",
        "done",
        "paid",
        "complete",
        "completed",
        "read",
        "finished",
        "into",
    ):
        place += 1
    if place >= limit:
        return False
    start = place + (words[place] in ("as", "to", "into"))
    values, _ = values_at(words, start)
    values = tuple(value for value in values if value not in target.fields or _is_boolean(target.fields[value]))
    values = tuple(value.removeprefix("be_").removeprefix("being_") for value in values if value)
    if not values:
        return False
    known = [value for value in values if _state(target, value, "")[0] is not None]
    if verb not in ("mark", "flag", "tick", "label") and not known:
        return False
    for value in known or values[:3]:
        field, exact = _state(target, value, "")
        if field is None:
            field, exact = _own_state(target, value)
        add(
            Operation(
                name="transition",
                entity=target.name,
                field=field.name,
                to=exact,
                sources=_sources(words, mention, field, exact),
            )
        )
    return True


def _state(target: EntityDraft, state: str, verb: str) -> tuple[FieldDraft | None, str]:
    """The field that holds this state, and the state as that field spells it."""
    names = {state} | ({verb_forms(verb)["past"].replace(" ", "_"), snake((verb,))} if verb else set())
    for wanted in (names, names | {other for group in STATE_SYNONYMS if group & names for other in group}):
        for field in target.fields.values():
            for value in field.choices:
                if value in wanted:
                    return field, value
        for field in target.fields.values():
            if _is_boolean(field) and (field.name in wanted or field.name.removeprefix("is_") in wanted):
                return field, "true"
    for field in target.fields.values():
        if _is_boolean(field) and (opposite := _OPPOSITES.get(state)) and field.name.removeprefix("is_") in opposite:
            return field, "false"
    return None, state


_OPPOSITES = {
    "returned": {"borrowed", "lent", "on_loan", "checked_out"}, "open": {"closed", "done", "completed"},
    "inactive": {"active", "enabled"}, "disabled": {"enabled", "active"}, "draft": {"published"},
    "active": {"archived", "suspended", "blocked", "paused", "inactive"}, "undone": {"done"}, "unlocked": {"locked"},
    "borrowed": {"available", "availability", "in_stock"}, "lent": {"available", "availability"},
    "checked_out": {"available"}, "rented": {"available"}, "sold": {"available"}, "unread": {"read"},
    "incomplete": {"completed", "complete", "done"}, "unpaid": {"paid"}, "not_done": {"done"}, "unpinned": {"pinned"},
    "retired": {"active"}, "suspended": {"active"}, "archived": {"active"}, "reserved": {"available"},
}  # fmt: skip


def _is_boolean(field: FieldDraft) -> bool:
    return type_of(field) == "boolean"


def _own_state(target: EntityDraft, state: str) -> tuple[FieldDraft, str]:
    """A status field for states that the prompt names only as verbs; the first value is the one to begin with."""
    field = target.fields.get("status")
    if field is None:
        field = FieldDraft(("status",), type="enum", choices=(_beginning(state), state), required=True)
        field.default = field.choices[0]
        target.add(field)
        return target.fields.get("status", field), state
    if field.choices or field.type in (None, "enum", "text"):
        field.choices = tuple(dict.fromkeys((*(field.choices or (_beginning(state),)), state)))
        field.type = "enum"
        field.default = field.default or field.choices[0]
    return field, state


def _beginning(state: str) -> str:
    starts = {
        "borrowed": "available", "lent": "available", "checked_out": "available", "rented": "available",
        "reserved": "available", "sold": "available", "published": "draft", "sent": "draft", "approved": "pending",
        "rejected": "pending", "accepted": "pending", "confirmed": "pending", "paid": "unpaid", "archived": "active",
        "inactive": "active", "suspended": "active", "retired": "active", "banned": "active", "returned": "borrowed",
        "shipped": "pending", "delivered": "pending", "paused": "active", "active": "inactive", "locked": "unlocked",
        "enabled": "disabled", "disabled": "enabled", "declined": "pending", "verified": "unverified",
    }  # fmt: skip
    found = starts.get(state, "open")
    return found if found != state else "new"


def _sources(words: Sequence[str], mention: Mention, field: FieldDraft, to: str) -> tuple[str, ...]:
    """The states from which the change is allowed, where the sentence says so: 'from X to Y', 'only X ones'."""
    for place in range(mention.start, min(len(words), mention.end + 10)):
        if words[place] in ("from", "only"):
            nouns, _ = noun_phrase(words, place + 1)
            value = snake(nouns[:1]) if nouns else ""
            if value in field.choices and value != to:
                return (value,)
    return ()
