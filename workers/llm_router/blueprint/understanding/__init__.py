"""The English understanding of the blueprint model: a submission becomes a brief, or a refusal that helps.

Rules over words: no network, no model, the same answer every time. The prompt is data; nothing in it is followed.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts.brief import Brief, Statement
from contracts.artifacts.model import Operation
from contracts.artifacts.submission import Submission

from . import functions
from .candidates import gather, topic
from .describe import describe
from .draft import Draft
from .goals import non_goals
from .kind import kind_of
from .naming import name_of, summary_of, title_of
from .operations import Asked, change_by_choices, collect, complete
from .refuse import Refusal, after_reading, before_reading, refusal
from .relations import prune, settle_relations
from .rules import constrain
from .settle import entity_name, field_name, settle
from .text import Unit, units_of
from .verbs import Mention, mentions, nouns_alone
from .wishes import wish

__all__ = ["Refusal", "understand"]

MAX_STATEMENT = 2000


def understand(submission: Submission) -> Brief | Refusal:
    """Read a prompt. Never raises, whatever the prompt holds."""
    if refused := before_reading(submission.prompt, submission.language):
        return refused
    units = units_of(submission.prompt)
    if refused := after_reading(units):
        return refused
    asked_functions = functions.wanted(units)
    draft = _read(units)
    described = any(entity.described for entity in draft.entities.values())
    if asked_functions and (not described or functions.are_meant(asked_functions, draft)):
        return _brief(units, Draft(), asked_functions)
    if functions.nothing_is_kept(units) or (not described and functions.are_wished(units)):
        return refusal("The functions asked for are not among those that the blueprint model knows.")
    named_only = not described and not any(entity.acted for entity in draft.entities.values())
    if not draft.entities or (named_only and not kind_of(units, functions=False)[1]):
        return refusal("The request names neither things to keep nor a function that the blueprint model knows.")
    return _brief(units, draft, _operations(units, draft))


def _read(units: Sequence[Unit]) -> Draft:
    draft = Draft(nouns_alone(unit.words for unit in units))
    draft.topic = topic(units)
    describe(units, draft)
    gather(units, _mentioned(units), draft)
    settle_relations(units, draft)
    constrain(units, draft)
    prune(units, draft)
    return draft


def _mentioned(units: Sequence[Unit]) -> list[tuple[Unit, Mention]]:
    """The uses of verbs outside descriptions of fields."""
    return [
        (unit, mention)
        for unit in units
        for mention in mentions(unit.words)
        if mention.start not in set(unit.described)
    ]


def _operations(units: Sequence[Unit], draft: Draft) -> tuple[Operation, ...]:
    asked = Asked()
    collect(_mentioned(units), draft, asked)
    change_by_choices(units, draft, asked)
    wish(units, draft, asked)
    return complete(units, draft, asked)


def _brief(units: Sequence[Unit], draft: Draft, operations: Sequence[Operation]) -> Brief:
    names = [operation.function for operation in operations if operation.function]
    kind, certain = kind_of(units, functions=bool(names))
    if not certain:
        draft.assume(f"The kind of project was not said; it is made as a {kind.replace('_', ' ')}.")
    name = name_of(units, draft, names)
    entities = settle(draft)
    return Brief(
        name=name,
        title=title_of(name),
        summary=summary_of(draft, kind, names),
        kind=kind,
        language="python",
        statements=tuple(
            Statement(id=f"S-{number:03d}", text=unit.text[:MAX_STATEMENT])
            for number, unit in enumerate(units, start=1)
        ),
        entities=entities,
        operations=tuple(_renamed(operation, draft) for operation in operations),
        assumptions=tuple(draft.assumptions),
        non_goals=non_goals(units),
    )


def _renamed(operation: Operation, draft: Draft) -> Operation:
    """The operation with the names that entities and fields were settled on."""
    words = next((entity.words for entity in draft.entities.values() if entity.name == operation.entity), ())
    return Operation(
        name=operation.name,
        entity=entity_name(words) if words else operation.entity,
        fields=tuple(name for field in operation.fields if (name := field_name(field))),
        field=field_name(operation.field) if operation.field else "",
        to=operation.to,
        sources=operation.sources,
        format=operation.format,
        function=operation.function,
    )
