"""The operations asked for, from the verbs of the prompt and what they are done to."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts.model import Operation, OperationName

from .draft import Draft, EntityDraft
from .phrases import is_noun, noun_phrase
from .lexicon.words import SYSTEM_NOUNS
from .inflect import is_plural
from .text import Unit
from .transitions import mark, transition
from .verbs import OPERATIONS, Mention

CRUD: tuple[OperationName, ...] = ("create", "read", "list", "update", "delete")
_FORMATS = ("csv", "json")
_FILTER_WORDS = frozenset({"by", "filtered", "filter", "filterable", "filtering", "sorted", "per", "where"})


class Asked:
    """The operations found so far, each once; a later mention adds its fields to an earlier one."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, ...], Operation] = {}

    def add(self, operation: Operation) -> None:
        key = (operation.name, operation.entity, operation.field, operation.to, operation.format)
        known = self.found.get(key)
        if known is not None and operation.fields:
            fields = tuple(dict.fromkeys((*known.fields, *operation.fields)))
            sources = known.sources or operation.sources
            operation = Operation(
                name=operation.name, entity=operation.entity, fields=fields, field=operation.field,
                to=operation.to, sources=sources, format=operation.format,
            )  # fmt: skip
        elif known is not None:
            return
        self.found[key] = operation

    def of(self, entity: EntityDraft) -> list[Operation]:
        return [operation for operation in self.found.values() if operation.entity == entity.name]


def collect(mentioned: Sequence[tuple[Unit, Mention]], draft: Draft, asked: Asked) -> None:
    """Turn each use of a verb into operations."""
    last: EntityDraft | None = None
    for unit, mention in mentioned:
        targets = _targets(mention, unit, draft, last)
        for target, aspect in targets:
            for verb in mention.verbs:
                _operate(verb, target, aspect, mention, unit, draft, asked)
            last = target


def _targets(
    mention: Mention, unit: Unit, draft: Draft, last: EntityDraft | None
) -> list[tuple[EntityDraft, tuple[str, ...]]]:
    """The entities that a verb is done to, each with what of it is meant."""
    found: list[tuple[EntityDraft, tuple[str, ...]]] = []
    for nouns in mention.objects:
        entity = draft.find(nouns)
        if entity is not None:
            found.append((entity, mention.aspect))
            continue
        entity = next((draft.exact(nouns[:size]) for size in (2, 1) if draft.exact(nouns[:size])), None)
        if entity is not None and entity.field_called(nouns[1:]):
            found.append((entity, nouns[1:]))
        elif (entity := _having(nouns, draft, last)) is not None:
            found.append((entity, nouns))
        elif mention.aspect and (entity := draft.find(mention.aspect)):
            found.append((entity, nouns))
    if not found and (mention.pronoun or not mention.objects):
        entity = last or _context(unit, draft) or _only(draft)
        return [(entity, ())] if entity else []
    return found


def _having(nouns: tuple[str, ...], draft: Draft, last: EntityDraft | None) -> EntityDraft | None:
    """The entity that has a field of that name, the last one spoken of first."""
    order = ([last] if last else []) + list(draft.entities.values())
    return next((entity for entity in order if entity.field_called(nouns)), None)


def _context(unit: Unit, draft: Draft) -> EntityDraft | None:
    head = unit.head
    while head is not None:
        nouns, _ = noun_phrase(head.words, 0)
        if nouns and (entity := draft.find(nouns)):
            return entity
        head = head.head
    return None


def _only(draft: Draft) -> EntityDraft | None:
    return next(iter(draft.entities.values()), None)


def _operate(
    verb: str, target: EntityDraft, aspect: tuple[str, ...], mention: Mention, unit: Unit, draft: Draft, asked: Asked
) -> None:
    words = unit.words
    of_field = bool(aspect) and target.field_called(aspect) is not None
    many = mention.plural_all or any(is_plural(nouns[-1]) for nouns in mention.objects) or "list" in aspect
    for kind in OPERATIONS[verb]:
        if kind == "mark" and mark(words, mention, target, asked.add):
            return
        if kind == "transition" and not of_field and transition(verb, words, mention, target, asked.add):
            return
        if kind == "manage":
            for name in CRUD:
                asked.add(Operation(name=name, entity=target.name))
        elif kind == "create" and not of_field:
            asked.add(Operation(name="create", entity=target.name))
        elif kind == "read" and not of_field:
            by = _fields_after(words, mention.end, target)
            name: OperationName = "list" if (many or by) else "read"
            asked.add(Operation(name=name, entity=target.name, fields=by if name == "list" else ()))
        elif kind in ("list", "filter"):
            asked.add(Operation(name="list", entity=target.name, fields=_fields_after(words, mention.end, target)))
        elif kind == "search":
            asked.add(Operation(name="search", entity=target.name, fields=_fields_after(words, mention.end, target)))
        elif kind == "update":
            asked.add(Operation(name="update", entity=target.name))
        elif kind == "delete" and not of_field:
            asked.add(Operation(name="delete", entity=target.name))
        elif kind == "export":
            _export(words, mention, target, asked)
        else:
            continue
        return


def _export(words: Sequence[str], mention: Mention, target: EntityDraft, asked: Asked) -> None:
    near = words[max(0, mention.start - 4) : mention.end + 12]
    formats = [name for name in _FORMATS if name in near] or ["csv"]
    for name in formats:
        asked.add(Operation(name="export", entity=target.name, format=name))


def _fields_after(words: Sequence[str], at: int, target: EntityDraft) -> tuple[str, ...]:
    """The fields named after 'by': 'filter tasks by status and author'."""
    end = min(len(words), at + 25)
    place = at
    while place < end and words[place] not in (".", ";"):
        if words[place] in (
            "by",
            "on",
            "for",
            "with",
            "matching",
            "of",
            "in",
            "from",
            "per",
            "through",
            "whose",
            "where",
            "within",
        ):
            found = _fields_at(words, place + 1, target)
            if found or words[place] == "by":
                return found
        place += 1
    return ()


def _fields_at(words: Sequence[str], at: int, target: EntityDraft) -> tuple[str, ...]:
    found: list[str] = []
    while at < len(words):
        while at < len(words) and words[at] in (
            ",",
            "and",
            "or",
            "by",
            "/",
            "&",
            "its",
            "their",
            "the",
            "a",
            "an",
            "and/or",
        ):
            at += 1
        nouns, end = noun_phrase(words, at)
        field = target.field_called(nouns) if nouns else None
        if field is None:
            break
        found.append(field.name)
        at = end
    return tuple(dict.fromkeys(found))


def loose(units: Sequence[Unit], draft: Draft, asked: Asked) -> None:
    """What no verb says: 'with CSV export', 'full CRUD', 'search by title', 'POST /books'."""
    for unit in units:
        words = unit.words
        for at, word in enumerate(words):
            target = None
            if word == "crud":
                for entity in _crud_targets(words, at, draft):
                    for name in CRUD:
                        asked.add(Operation(name=name, entity=entity.name))
            elif word in ("export", "exports", "exporting") or (word in _FORMATS and "export" in words):
                target = _near(words, at, draft)
                if target and not any(operation.name == "export" for operation in asked.found.values()):
                    formats = [name for name in _FORMATS if name in words] or ["csv"]
                    for name in formats:
                        asked.add(Operation(name="export", entity=target.name, format=name))
            elif word in ("get", "post", "put", "patch", "delete") and words[at + 1 : at + 2] == ["/"]:
                _route(word, words, at + 2, draft, asked)
            elif (
                word in ("search", "searching", "searchable")
                and words[at + 1 : at + 2] in (["by"], ["on"], ["over"], ["in"], ["across"], ["for"])
                or word in ("searchable", "full-text")
            ):
                target = _near(words, at, draft)
                if target and not any(o.name == "search" and o.entity == target.name for o in asked.found.values()):
                    asked.add(Operation(name="search", entity=target.name, fields=_fields_after(words, at, target)))
            elif word in ("filterable", "filtering", "filters", "filter") and words[at + 1 : at + 2] == ["by"]:
                target = _near(words, at, draft)
                if target:
                    asked.add(Operation(name="list", entity=target.name, fields=_fields_after(words, at, target)))


def _crud_targets(words: Sequence[str], at: int, draft: Draft) -> list[EntityDraft]:
    """What CRUD is wanted for: the things named after it in its sentence, else all that there are."""
    named = [entity for entity in draft.entities.values() if _names(words[at:], entity)]
    if not named:
        named = [entity for entity in draft.entities.values() if _names(words[:at], entity)]
    return named or list(draft.entities.values())


def _names(words: Sequence[str], entity: EntityDraft) -> bool:
    text = f" {' '.join(words)} "
    return f" {' '.join(entity.words)} " in text or f" {entity.plural.replace('_', ' ')} " in text


def _near(words: Sequence[str], at: int, draft: Draft) -> EntityDraft | None:
    """The entity named nearest in the sentence, else the one whose field is named, else the first."""
    nearest: tuple[int, EntityDraft] | None = None
    for place in range(len(words)):
        nouns, _ = noun_phrase(words, place)
        entity = draft.exact(nouns[:2]) or draft.exact(nouns[:1]) if nouns else None
        if entity and (nearest is None or abs(place - at) < nearest[0]):
            nearest = (abs(place - at), entity)
    if nearest:
        return nearest[1]
    for word in words[at:]:
        if is_noun(word) and word not in SYSTEM_NOUNS and (found := _having((word,), draft, None)):
            return found
    return _only(draft)


_ROUTE_VERBS: dict[str, OperationName] = {"post": "create", "put": "update", "patch": "update", "delete": "delete"}


def _route(method: str, words: Sequence[str], at: int, draft: Draft, asked: Asked) -> None:
    """'GET /books/{id}' and its like."""
    entity = draft.find((words[at],)) if at < len(words) else None
    if entity is None:
        return
    rest = words[at + 1 : at + 6]
    one = rest[:1] == ["/"] and len(rest) > 1 and rest[1] in ("{", ":", "<")
    tail = words[at + 5 :]
    if one and len(tail) > 1 and tail[0] == "/" and is_noun(tail[1]):
        return
    name = _ROUTE_VERBS.get(method) or ("read" if one else "list")
    asked.add(Operation(name=name, entity=entity.name))
