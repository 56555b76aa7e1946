"""The operations asked for, from the verbs of the prompt and what they are done to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contracts.artifacts.model import Operation, OperationName

from .draft import Draft, EntityDraft
from .inflect import is_plural, singular
from .lexicon.verbs import MANAGE, RESULTS
from .targets import Target, fields_after, targets
from .text import Unit
from .transitions import Change, by_choice, by_mark, by_verb, gone, settle_changes
from .verbs import OPERATIONS, Mention, verb_at

CRUD: tuple[OperationName, ...] = ("create", "read", "list", "update", "delete")
_KEPT_BY: frozenset[OperationName] = frozenset({"create", "read", "update", "delete"})
_FORMATS = ("csv", "json")
_LIMITS = frozenset({"only", "just"})


class Asked:
    """The operations found so far, each once; a later mention adds its fields to an earlier one."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], Operation] = {}
        self.changes: list[Change] = []
        self.ruled_out: set[tuple[str, str]] = set()

    def add(self, operation: Operation) -> None:
        if (operation.name, operation.entity) in self.ruled_out:
            return
        key = (operation.name, operation.entity, operation.field, operation.to, operation.format)
        known = self._found.get(key)
        if known is None:
            self._found[key] = operation
            return
        self._found[key] = Operation(
            name=operation.name, entity=operation.entity, field=operation.field, to=operation.to,
            format=operation.format, fields=tuple(dict.fromkeys((*known.fields, *operation.fields))),
            sources=known.sources or operation.sources,
        )  # fmt: skip

    def names(self, entity: EntityDraft) -> set[OperationName]:
        return {operation.name for operation in self._found.values() if operation.entity == entity.name}

    def all(self) -> tuple[Operation, ...]:
        return tuple(self._found.values())


def collect(mentioned: Sequence[tuple[Unit, Mention]], draft: Draft, asked: Asked) -> None:
    """Turn each use of a verb into operations."""
    last: EntityDraft | None = None
    purpose = mentioned[0][0] if mentioned and not mentioned[0][0].bullet else None
    for unit, mention in mentioned:
        if unit is purpose and (
            (set(mention.verbs) <= set(MANAGE) and "can" not in unit.words[: mention.start])
            or _business(unit.words, mention)
        ):
            continue
        made = _made(mention, draft)
        for target in [Target(made)] if made else targets(mention, unit, draft, last):
            if made:
                asked.add(Operation(name="create", entity=made.name))
                last = made
                continue
            for verb in mention.verbs:
                if mention.negated:
                    asked.ruled_out |= {(kind, target.entity.name) for kind in OPERATIONS[verb]}
                    continue
                _operate(verb, target, mention, unit, asked)
            last = target.entity


def _business(words: Sequence[str], mention: Mention) -> bool:
    """'We rent out cottages': the first sentence says what is done anyway, not what is asked for."""
    return words[0] in ("we", "our", "i") and set(OPERATIONS[mention.verbs[0]]) <= {"transition"} and mention.start < 4


def _told(words: Sequence[str], mention: Mention) -> bool:
    """'some expenses are paid back by my employer' tells what happens; it asks for nothing."""
    if mention.passive and tuple(words[max(0, mention.start - 2) : mention.start]) in (
        ("that", "was"),
        ("that", "were"),
    ):
        return True
    return (
        mention.passive
        and words[mention.start - 1 : mention.start] in (["is"], ["are"], ["was"])
        and words[mention.end : mention.end + 1]
        in (["by"], ["back"], ["at"], ["on"], ["in"], ["for"], ["to"], ["from"])
    )


def _made(mention: Mention, draft: Draft) -> EntityDraft | None:
    """The booking that booking a boat makes, where bookings are kept."""
    names = RESULTS.get(mention.verbs[0], ()) if len(mention.verbs) == 1 and not mention.negated else ()
    found = next((draft.entities[name] for name in names if name in draft.entities), None)
    return None if found is None or any(draft.find(nouns) is found for nouns in mention.objects) else found


def _operate(verb: str, target: Target, mention: Mention, unit: Unit, asked: Asked) -> None:
    entity, words = target.entity, unit.words
    of_field = bool(target.aspect) and entity.field_called(target.aspect) is not None
    for kind in OPERATIONS[verb]:
        if kind == "mark":
            changes = by_mark(words, mention, entity)
        elif kind == "transition" and not of_field and not _told(words, mention):
            if (
                verb == "open"
                and not mention.passive
                and words[mention.start + 1 : mention.start + 2]
                and words[mention.start + 1] in ("a", "an", "new")
            ):
                asked.add(Operation(name="create", entity=entity.name))
                return
            change = by_verb(verb, words, mention, entity)
            if change and gone(verb, change):
                asked.add(Operation(name="delete", entity=entity.name))
                return
            this = words[mention.start + 1 : mention.start + 2] == ["this"] and not mention.passive
            changes = [change] if change and not this else []
        elif not of_field or kind in ("update", "list", "filter", "search", "export"):
            if _plain(kind, target, mention, words, asked):
                return
            continue
        else:
            continue
        asked.changes.extend(changes)
        if changes:
            return


def _plain(kind: str, target: Target, mention: Mention, words: Sequence[str], asked: Asked) -> bool:
    """An operation that changes no state; whether the kind of verb is one of those."""
    entity = target.entity
    if kind == "manage":
        add_all(entity, asked)
    elif kind in ("create", "update", "delete"):
        asked.add(
            Operation(
                name="create" if kind == "create" else "update" if kind == "update" else "delete", entity=entity.name
            )
        )
    elif kind == "read":
        _read(target, mention, words, asked)
    elif kind in ("list", "filter"):
        asked.add(Operation(name="list", entity=entity.name, fields=fields_after(words, mention.end, entity)))
    elif kind == "search":
        fields = fields_after(words, mention.end, entity) or (
            (found.name,) if (found := entity.field_called(target.aspect)) else ()
        )
        asked.add(Operation(name="search", entity=entity.name, fields=fields))
    elif kind == "export":
        near = words[max(0, mention.start - 4) : mention.end + 12]
        for name in [name for name in _FORMATS if name in near] or ["csv"]:
            asked.add(Operation(name="export", entity=entity.name, format=name))
    else:
        return False
    return True


def _read(target: Target, mention: Mention, words: Sequence[str], asked: Asked) -> None:
    """'view a book' reads one, 'see all books by status' lists them; next to other verbs it is the R of CRUD."""
    many = mention.every or any(is_plural(nouns[-1]) for nouns in mention.objects) or "list" in target.aspect
    fields = fields_after(words, mention.end, target.entity)
    if mention.verbs == ("look up",) and fields:
        asked.add(Operation(name="search", entity=target.entity.name, fields=fields))
        return
    if len(mention.verbs) == 1 and (many or fields):
        asked.add(Operation(name="list", entity=target.entity.name, fields=fields))
        return
    asked.add(Operation(name="read", entity=target.entity.name))


def add_all(entity: EntityDraft, asked: Asked) -> None:
    for name in CRUD:
        asked.add(Operation(name=name, entity=entity.name))


def change_by_choices(units: Sequence[Unit], draft: Draft, asked: Asked) -> None:
    """Verbs that are known only as the states which the prompt lists."""
    entities = list(draft.entities.values())
    for unit in units:
        described = set(unit.described)
        for at in range(len(unit.words)):
            if at not in described and (change := by_choice(unit.words, entities, at)):
                asked.changes.append(change)


def complete(units: Sequence[Unit], draft: Draft, asked: Asked) -> tuple[Operation, ...]:
    """Settle changes of state, and give each entity what is needed to keep it."""
    for entity in draft.entities.values():
        asked.changes.extend(Change(entity, (state,), ()) for state in dict.fromkeys(entity.reaches))
    for operation in settle_changes(asked.changes):
        asked.add(operation)
    for entity in draft.entities.values():
        names = asked.names(entity)
        if not names & _KEPT_BY:
            add_all(entity, asked)
            draft.assume(
                f"{entity.name} can be created, read, listed, updated and deleted, since nothing else was said."
            )
        elif names >= _KEPT_BY:
            asked.add(Operation(name="list", entity=entity.name))
        elif "create" in names and not _only(units, entity):
            for name in ("read", "list"):
                if name not in names:
                    asked.add(Operation(name="read" if name == "read" else "list", entity=entity.name))
                    draft.assume(
                        f"{entity.name} can be {'read' if name == 'read' else 'listed'} too, since it can be created."
                    )
    return asked.all()


def _only(units: Iterable[Unit], entity: EntityDraft) -> bool:
    """'votes can only be added and listed', 'record readings, nothing else': nothing is added to what is said."""
    for unit in units:
        for clause in " ".join(unit.words).replace(".", ";").split(";"):
            words = clause.split(" per ")[0].split(" by ")[0].split()
            limited = bool(_LIMITS & set(words)) or "nothing else" in clause
            creates = any(
                (found := verb_at(words, at)) and "create" in OPERATIONS[found[0].base] for at in range(len(words))
            )
            if limited and creates and entity.words[-1] in map(singular, words):
                return True
    return False
