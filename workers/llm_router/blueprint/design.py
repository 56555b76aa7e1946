"""What is to be built, seen entity by entity: the common ground of code, tests and documents."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from contracts.artifacts import Contract, Entity, Field, Kind, Operation, Requirements

from . import names
from .completion import Model

RANGED = ("integer", "number", "date", "datetime")
_METHODS = frozenset(
    {"create", "get", "page", "all", "update", "delete", "add", "search", "list", "export", "show", "find", "refer_to"}
)
_VERBS = {
    "active": "activate", "approved": "approve", "archived": "archive", "assigned": "assign", "available": "release",
    "blocked": "block", "booked": "book", "borrowed": "borrow", "cancelled": "cancel", "canceled": "cancel",
    "checked_in": "check_in", "checked_out": "check_out", "closed": "close", "complete": "complete",
    "completed": "complete", "confirmed": "confirm", "delivered": "deliver", "done": "finish", "finished": "finish",
    "in_progress": "start", "in_review": "submit", "inactive": "deactivate", "lent": "lend", "locked": "lock",
    "lost": "lose", "open": "open", "opened": "open", "paid": "pay", "paused": "pause", "pending": "suspend",
    "published": "publish", "refunded": "refund", "rejected": "reject", "reopened": "reopen", "resolved": "resolve",
    "returned": "return", "sent": "send", "shipped": "ship", "sold": "sell", "started": "start",
    "submitted": "submit", "verified": "verify", "won": "win",
}  # fmt: skip


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """`verb` sets `field` to `to` (a Python value); `sources` are the values it may come from, any when empty."""

    verb: str
    field: str
    to: str | bool
    sources: tuple[str | bool, ...]


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One entity with what can be done to it. Creating, reading and listing always can.

    `managed` are the fields that only transitions may set; `children` the (entity, field) that refer to this one.
    """

    entity: Entity
    filters: tuple[Field, ...]
    searches: tuple[Field, ...]
    formats: tuple[str, ...]
    updates: bool
    deletes: bool
    transitions: tuple[Transition, ...]
    managed: tuple[Field, ...]
    children: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return self.entity.name

    @property
    def plural(self) -> str:
        return self.entity.plural

    @property
    def fields(self) -> tuple[Field, ...]:
        return self.entity.fields

    @property
    def noun(self) -> str:
        """ "order item"."""
        return names.words(self.name)

    @property
    def nouns(self) -> str:
        return self.plural.replace("_", " ")

    @property
    def var(self) -> str:
        return names.variable(names.snake(self.name))

    @property
    def segment(self) -> str:
        return self.plural.replace("_", "-")

    @property
    def given(self) -> tuple[Field, ...]:
        """The fields that a user gives."""
        return tuple(field for field in self.fields if field not in self.managed)

    @property
    def references(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.type == "reference")

    @property
    def uniques(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.unique)


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """The whole package to be."""

    name: str
    title: str
    summary: str
    kind: Kind
    module: str
    resources: tuple[Resource, ...]
    functions: tuple[str, ...]

    def resource(self, entity: str) -> Resource:
        return next(resource for resource in self.resources if resource.name == entity)


def design(source: Requirements | Contract) -> Design:
    """The same design from the requirements and from the contract made of them."""
    model = Model(source.entities, source.operations)
    return Design(
        name=source.name,
        title=source.title,
        summary=source.summary,
        kind=source.kind,
        module=source.module if isinstance(source, Contract) else names.module(source.name),
        resources=tuple(_resource(entity, model) for entity in _parents_first(model.entities)),
        functions=tuple(dict.fromkeys(op.function for op in model.operations if op.name == "function")),
    )


def keys(resource: Resource) -> tuple[tuple[str, str], ...]:
    """Everything about the entity; a key that no requirement has is passed over."""
    operations = ["", "create", "read", "list", "search", "update", "delete", "export"]
    operations += [f"transition {move.verb}" for move in resource.transitions]
    rules = ("field", "filter", "unique", "reference")
    operations += [f"{rule} {field.name}" for rule in rules for field in resource.fields]
    return tuple((resource.name, operation) for operation in operations)


def initial(field: Field) -> str | bool:
    """Where a managed field starts."""
    if field.default:
        value = json.loads(field.default)
        return value if isinstance(value, bool) else str(value)
    return False if field.type == "boolean" else field.choices[0]


def default(field: Field) -> object:
    return json.loads(field.default) if field.default else None


def optional(field: Field) -> bool:
    """May be left out and is then None."""
    return not field.required and not field.default


def _resource(entity: Entity, model: Model) -> Resource:
    operations = [op for op in model.operations if op.entity == entity.name]
    by_name = {field.name: field for field in entity.fields}
    transitions = _transitions([op for op in operations if op.name == "transition"], by_name)
    return Resource(
        entity=entity,
        filters=tuple(by_name[name] for op in operations if op.name == "list" for name in op.fields),
        searches=tuple(by_name[name] for op in operations if op.name == "search" for name in op.fields),
        formats=tuple(op.format for op in operations if op.name == "export"),
        updates=any(op.name == "update" for op in operations),
        deletes=any(op.name == "delete" for op in operations),
        transitions=transitions,
        managed=tuple(
            field for field in entity.fields if any(t.field == field.name and t.sources for t in transitions)
        ),
        children=tuple(
            (other.name, field.name)
            for other in model.entities
            for field in other.fields
            if field.references == entity.name
        ),
    )


def _transitions(operations: Sequence[Operation], by_name: dict[str, Field]) -> tuple[Transition, ...]:
    made: dict[str, Transition] = {}
    for op in operations:
        verb = _verb(op, by_name[op.field])
        while verb in made or verb in _METHODS:
            verb += f"_{op.field}"
        boolean = by_name[op.field].type == "boolean"
        made[verb] = Transition(
            verb=verb,
            field=op.field,
            to=op.to == "true" if boolean else op.to,
            sources=tuple(source == "true" if boolean else source for source in op.sources),
        )
    return tuple(made.values())


def _verb(op: Operation, field: Field) -> str:
    if op.function and (asked := names.snake(op.function)):
        return asked
    if field.type == "boolean":
        state = op.field.removeprefix("is_")
        verb = _VERBS.get(state, f"mark_{state}")
        return verb if op.to == "true" else f"undo_{verb}"
    state = names.snake(op.to) or "next"
    return _VERBS.get(state, f"mark_{state}")


def _parents_first(entities: Sequence[Entity]) -> list[Entity]:
    """Entities after the ones they refer to, as far as that can be, else in the order they came."""
    left = list(entities)
    ordered: list[Entity] = []
    while left:
        placed = {entity.name for entity in ordered}
        ready = next((entity for entity in left if _needs(entity) <= placed | {entity.name}), left[0])
        ordered.append(ready)
        left.remove(ready)
    return ordered


def _needs(entity: Entity) -> set[str]:
    return {field.references for field in entity.fields if field.type == "reference" and field.required}
