"""From a brief to the requirements document, and from there to single testable requirements."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from contracts.artifacts import Acceptance, Brief, Frd, FrdItem, Requirement, Requirements, Statement

from . import names
from .completion import Model
from .demands import Demand, demands, items, observable
from .design import Design, design
from .drafts import Key

_CUES = {
    "create": ("add", "creat", "new", "register", "record", "store", "save", "track", "enter", "manag", "crud"),
    "read": ("read", "view", "get", "show", "see", "look", "detail", "fetch", "manag", "crud"),
    "list": ("list", "all", "filter", "brows", "every", "overview", "by ", "manag", "crud"),
    "update": ("updat", "edit", "chang", "modif", "correct", "renam", "manag", "crud"),
    "delete": ("delet", "remov", "drop", "discard", "manag", "crud"),
    "search": ("search", "find", "look"),
    "export": ("export", "csv", "json", "download", "dump"),
}


def frd(brief: Brief) -> Frd:
    """The document in numbered items; operations without which the others make no sense are added and said."""
    model = Model(brief.entities, brief.operations)
    draft = Frd(
        name=brief.name,
        title=brief.title,
        summary=brief.summary,
        kind=brief.kind,
        language=brief.language,
        items=(),
        entities=model.entities,
        operations=model.operations,
        assumptions=tuple(dict.fromkeys((*brief.assumptions, *model.assumptions))),
        non_goals=brief.non_goals,
    )
    plan = design(_requirements(draft, ()))
    found = items(plan)
    answered = _answers(found, plan, brief.statements)
    numbered = tuple(
        FrdItem(
            id=f"F-{number:03}",
            section=section,
            text=text,
            rationale=rationale,
            statements=tuple(answered.get(key, ())),
        )
        for number, (key, section, text, rationale) in enumerate(found, 1)
    )
    return _with_items(draft, numbered)


def requirements(document: Frd) -> Requirements:
    """Atomic claims, each with an example of how it shows."""
    empty = _requirements(document, ())
    plan = design(empty)
    sources = {key: item for (key, section, text, _), item in _matched(plan, document)}
    seen = observable(plan)
    listed = [
        Requirement(
            id=f"R-{number:03}",
            kind=demand.kind,
            text=demand.text,
            priority=demand.priority,
            acceptance=(
                Acceptance(
                    id=f"A-{number:03}", given=demand.given, when=demand.when, then=demand.then, observable=seen
                ),
            ),
            source=_source(demand, sources),
            assumed=_assumed(demand, sources),
            entity=demand.key[0],
            operation=demand.key[1],
        )
        for number, demand in enumerate(demands(plan), 1)
    ]
    return _requirements(document, _ordered(listed))


def _ordered(listed: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """Every operation needs what creates its records."""
    creators = {claim.entity: claim.id for claim in listed if claim.operation == "create"}
    return tuple(
        replace(claim, depends_on=(creators[claim.entity],))
        if claim.kind == "function" and claim.entity in creators and claim.operation != "create"
        else claim
        for claim in listed
    )


def _requirements(document: Frd, listed: Sequence[Requirement]) -> Requirements:
    return Requirements(
        name=document.name,
        title=document.title,
        summary=document.summary,
        kind=document.kind,
        language=document.language,
        requirements=tuple(listed),
        entities=document.entities,
        operations=document.operations,
        non_goals=document.non_goals,
    )


def _with_items(document: Frd, numbered: tuple[FrdItem, ...]) -> Frd:
    return replace(document, items=numbered)


def _matched(plan: Design, document: Frd) -> list[tuple[tuple[Key, str, str, str], FrdItem]]:
    """Our items beside the document's own, by section and text; what another model wrote has no match."""
    own = {(item.section, item.text): item for item in document.items}
    return [(found, own[found[1], found[2]]) for found in items(plan) if (found[1], found[2]) in own]


def _source(demand: Demand, sources: dict[Key, FrdItem]) -> str:
    item = sources.get((demand.key[0], demand.item)) or sources.get(("", ""))
    return item.id if item is not None else ""


def _assumed(demand: Demand, sources: dict[Key, FrdItem]) -> bool:
    item = sources.get((demand.key[0], demand.item))
    return demand.assumed or item is None or not item.statements


def _answers(
    found: Sequence[tuple[Key, str, str, str]], plan: Design, statements: Sequence[Statement]
) -> dict[Key, list[str]]:
    """Which sentences each item answers; each sentence is answered by at least the product as a whole."""
    answered: dict[Key, list[str]] = {}
    for statement in statements:
        keys = [key for key, *_ in found if _speaks_of(statement.text.lower(), key, plan)]
        for key in keys or [("", "")]:
            answered.setdefault(key, []).append(statement.id)
    return answered


def _speaks_of(sentence: str, key: Key, plan: Design) -> bool:
    entity, operation = key
    if operation.startswith("function "):
        return any(
            word in sentence for word in names.words(operation.removeprefix("function ")).split() if len(word) > 3
        )
    if not entity:
        return False
    resource = plan.resource(entity)
    if operation.startswith("transition "):
        verb = operation.removeprefix("transition ")
        move = next(move for move in resource.transitions if move.verb == verb)
        state = str(move.to).lower() if not isinstance(move.to, bool) else move.field.replace("_", " ")
        return verb.split("_")[-1][:5] in sentence or state in sentence
    mentioned = re.search(rf"\b({re.escape(resource.noun)}|{re.escape(resource.nouns)})", sentence) is not None
    if not operation:
        return mentioned or any(names.words(field.name) in sentence for field in resource.fields)
    named = mentioned or len(plan.resources) == 1
    return named and any(cue in sentence for cue in _CUES[operation])
