"""Operations that no verb asks for: 'full CRUD', 'with CSV export', 'searchable by title', 'POST /books'."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts.model import Operation, OperationName

from .draft import Draft, EntityDraft
from .operations import Asked, add_all
from .phrases import is_noun, noun_phrase
from .targets import all_of_it, fields_after, first
from .text import Unit
from .verbs import is_verb_at

_MEANS = frozenset({"commands", "operations", "actions", "endpoints", "functions"})
_USUAL = frozenset({"usual", "standard", "normal", "full", "complete", "common", "basic"})
_WRITES = frozenset({"write", "writes", "written", "save", "saved", "put", "dumped"})
_FORMATS = ("csv", "json")
_EXPORTS = frozenset({"export", "exports", "exportable", "download", "exporting"})
_SEARCHES = frozenset({"search", "searching", "searchable", "full-text", "lookup"})
_FILTERS = frozenset(
    {"filterable", "filtering", "filters", "filter", "sortable", "filtered", "listing", "lists", "list"}
)
_ROUTE_VERBS: dict[str, OperationName] = {"post": "create", "put": "update", "patch": "update", "delete": "delete"}


def wish(units: Sequence[Unit], draft: Draft, asked: Asked) -> None:
    """Add what the nouns and adjectives of the prompt ask for."""
    for unit in units:
        described = set(unit.described)
        for at, word in enumerate(unit.words):
            if at in described:
                continue
            usual = word in _MEANS and set(unit.words[max(0, at - 2) : at]) & _USUAL
            if (
                word == "crud"
                or (usual and unit.words[at + 1 : at + 2] in (["for"], ["on"]))
                or (word == "management" and unit.words[at + 1 : at + 2] == ["of"])
            ):
                for entity in _all_named(unit.words, at, draft):
                    add_all(entity, asked)
            elif (
                word == "csv"
                and not {
                    "export",
                    "exported",
                    "exports",
                    "import",
                    "no",
                    "from",
                    "exporting",
                    "exportable",
                }
                & set(unit.words)
            ) or (word in _EXPORTS and not is_verb_at(unit.words, at)):
                _export(unit.words, at, draft, asked)
            elif word in ("get", "post", "put", "patch", "delete") and unit.words[at + 1 : at + 2] == ["/"]:
                _route(word, unit.words, at + 2, draft, asked)
            elif word == "new" and unit.words[at + 1 : at + 2] in (["/"], ["`"]):
                everything = (
                    list(draft.entities.values()) if all_of_it(unit.words) else [_nearest(unit.words, at, draft)]
                )
                for target in everything:
                    if target is not None:
                        asked.add(Operation(name="create", entity=target.name))
            elif word in _FORMATS and "file" in unit.words and _WRITES & set(unit.words[:at]):
                _export(unit.words, at, draft, asked)
            elif word in ("export.csv", "export.json", "csv", "json") and unit.words[at - 1 : at] == ["/"]:
                _export([*unit.words, word.removeprefix("export.")], at, draft, asked)
            elif (word == "look" and "up" in unit.words[at + 2 : at + 5]) or word in _SEARCHES:
                _with_fields("search", unit.words, at, draft, asked)
            elif word in _FILTERS:
                _with_fields("list", unit.words, at, draft, asked)


def _all_named(words: Sequence[str], at: int, draft: Draft) -> list[EntityDraft]:
    """What CRUD is wanted for: the things named after it up to the end of the clause, or before it, or all."""
    if set(words[at + 1 : at + 4]) & {"both", "everything"} or tuple(words[at + 1 : at + 3]) == ("for", "all"):
        return list(draft.entities.values())
    end = next(
        (
            place
            for place in range(at, len(words))
            if words[place] in (".", ";") or (words[place] == "," and is_verb_at(words, place + 1))
        ),
        len(words),
    )
    after = [entity for entity in draft.entities.values() if _named(words[at:end], entity)]
    if after and words[at + 1 : at + 2] not in ([","], [";"], ["+"], ["."]):
        return after
    start = next((place + 1 for place in range(at - 1, -1, -1) if words[place] in (".", ";")), 0)
    before = [entity for entity in draft.entities.values() if _named(words[start:at], entity)]
    return before or list(draft.entities.values())


def _named(words: Sequence[str], entity: EntityDraft) -> bool:
    text = f" {' '.join(words)} "
    return f" {' '.join(entity.words)} " in text or f" {entity.plural.replace('_', ' ')} " in text


def _export(words: Sequence[str], at: int, draft: Draft, asked: Asked) -> None:
    formats = [name for name in _FORMATS if name in words[max(0, at - 6) : at + 12]]
    entity = _nearest(words, at, draft)
    if entity is None or (not formats and words[at] == "download") or "export" in asked.names(entity):
        return
    for name in formats or ["csv"]:
        asked.add(Operation(name="export", entity=entity.name, format=name))


def _with_fields(name: OperationName, words: Sequence[str], at: int, draft: Draft, asked: Asked) -> None:
    """'albums filterable by genre', 'search over notes': only where a field of the thing is named after it."""
    nearest = _nearest(words, at, draft)
    for entity in ([nearest] if nearest else []) + list(draft.entities.values()):
        if fields := fields_after(words, at + 1, entity):
            asked.add(Operation(name=name, entity=entity.name, fields=fields))
            return
    if words[at] in ("searchable", "full-text") and nearest:
        asked.add(Operation(name="search", entity=nearest.name))


def _nearest(words: Sequence[str], at: int, draft: Draft) -> EntityDraft | None:
    """The entity named next after 'of' or 'for', else last before, else anywhere in the sentence, else the first."""
    if words[at + 1 : at + 2] and words[at + 1] in ("of", "for", "all", "the", "my", "on"):
        nouns, _ = noun_phrase(words, at + 2 if words[at + 1] in ("of", "for", "on") else at + 1)
        if nouns and (entity := draft.find(nouns)):
            return entity
    for place in range(at + 1, min(len(words), at + 4)):
        if (
            words[place] in ("of", "for")
            and (named := noun_phrase(words, place + 1)[0])
            and (entity := draft.find(named))
        ):
            return entity
    for place in [*range(at - 1, -1, -1), *range(at + 1, len(words))]:
        if is_noun(words[place]) and (
            entity := draft.exact(tuple(words[place : place + 1])) or _by_tail(words, place, draft)
        ):
            return entity
    return first(draft)


def _by_tail(words: Sequence[str], at: int, draft: Draft) -> EntityDraft | None:
    return draft.exact(tuple(words[at - 1 : at + 1])) if at and is_noun(words[at - 1]) else None


def _route(method: str, words: Sequence[str], at: int, draft: Draft, asked: Asked) -> None:
    """'GET /books/{id}' and its like; a path below one thing is left to the verbs."""
    entity = draft.find((words[at],)) if at < len(words) else None
    if entity is None:
        return
    rest = words[at + 1 : at + 6]
    one = rest[:1] == ["/"] and len(rest) > 1 and rest[1] in ("{", ":", "<")
    tail = words[at + 5 : at + 7]
    if one and len(tail) > 1 and tail[0] == "/" and is_noun(tail[1]):
        return
    asked.add(Operation(name=_ROUTE_VERBS.get(method) or ("read" if one else "list"), entity=entity.name))
