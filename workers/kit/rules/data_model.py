"""Which data models can be built: every name legal, every reference, choice, bound and operation meaningful."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from contracts.artifacts import Entity, Field, Operation
from workers.kit.stage import Unfit

from . import naming
from .naming import shown

MAX_ENTITIES = 60
MAX_FIELDS = 100
_FORMAT = re.compile(r"[a-z0-9]{1,10}")
_TRUTHS = ("true", "false")


def check_data_model(entities: Sequence[Entity], operations: Sequence[Operation]) -> None:
    """Raises `Unfit` for the first thing that is wrong."""
    if len(entities) > MAX_ENTITIES:
        raise Unfit(f"there are more than {MAX_ENTITIES} entities")
    if not operations:
        raise Unfit("there is no operation: nothing could be built")
    by_name = {entity.name: entity for entity in entities}
    for entity in entities:
        _entity(entity, by_name)
    naming.distinct("entities", (entity.name for entity in entities))
    naming.distinct("plurals", (entity.plural for entity in entities))
    for operation in operations:
        _operation(operation, by_name)


def _entity(entity: Entity, entities: Mapping[str, Entity]) -> None:
    naming.camel("entity", entity.name)
    naming.snake(f"plural of {entity.name}", entity.plural)
    if not 0 < len(entity.fields) <= MAX_FIELDS:
        raise Unfit(f"{entity.name} must have 1 to {MAX_FIELDS} fields")
    naming.distinct(f"fields of {entity.name}", (field.name for field in entity.fields))
    for field in entity.fields:
        naming.snake(f"field of {entity.name}", field.name)
        if field.name == "id":
            raise Unfit(f"{entity.name} lists the field 'id', which is implied")
        _field(f"{entity.name}.{field.name}", field, entities)


def _field(place: str, field: Field, entities: Mapping[str, Entity]) -> None:
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        raise Unfit(f"{place} has a minimum above its maximum")
    if (field.type == "enum") != bool(field.choices):
        raise Unfit(f"{place} must be an enum with choices, or neither")
    naming.distinct(f"choices of {place}", field.choices)
    for choice in field.choices:
        naming.line(f"choice of {place}", choice, 100)
    if field.type == "reference":
        naming.known(place, (field.references,), entities)
    elif field.references:
        raise Unfit(f"{place} references {shown(field.references)} but is of type {field.type}")
    if field.default:
        _default(place, field.default)


def _default(place: str, default: str) -> None:
    try:
        json.loads(default)
    except (ValueError, RecursionError):
        raise Unfit(f"the default of {place} is not JSON: {shown(default)}") from None


def _operation(operation: Operation, entities: Mapping[str, Entity]) -> None:
    if operation.name == "function":
        naming.snake("function", operation.function)
        return
    naming.known(f"the operation {operation.name}", (operation.entity,), entities)
    entity = entities[operation.entity]
    fields = {field.name: field for field in entity.fields}
    naming.known(f"the operation {operation.name} of {entity.name}", operation.fields, fields)
    if operation.name == "transition":
        _transition(operation, fields)
    if operation.name == "export" and not _FORMAT.fullmatch(operation.format):
        raise Unfit(f"the export of {entity.name} has no format such as 'csv': {shown(operation.format)}")


def _transition(operation: Operation, fields: Mapping[str, Field]) -> None:
    what = f"the transition of {operation.entity} to {shown(operation.to)}"
    naming.known(what, (operation.field,), fields)
    field = fields[operation.field]
    if field.type not in {"enum", "boolean"}:
        raise Unfit(f"{what} sets {field.name}, which is neither an enum nor a boolean")
    values = field.choices if field.type == "enum" else _TRUTHS
    naming.known(what, (operation.to, *operation.sources), values)
