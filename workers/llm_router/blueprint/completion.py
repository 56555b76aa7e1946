"""A data model made fit to be built: safe names, bounds that hold, operations that make sense. Says what it assumed."""

from __future__ import annotations

import json
import keyword
import math
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from contracts.artifacts import Entity, Field, Operation, OperationName

from . import names

# Names that mean something else in the classes we write.
_FIELDS_TAKEN = frozenset(
    {
        "bool", "clear", "cls", "construct", "copy", "datetime", "dict", "float", "help", "int", "json", "limit",
        "offset", "q", "record", "schema", "self", "str", "validate",
    }
)  # fmt: skip
_ENTITIES_TAKEN = frozenset(
    {
        "Annotated", "Any", "BaseModel", "ConfigDict", "Conflict", "Connection", "Depends", "Email", "Enum", "Field",
        "Id", "Iterator", "Json", "Literal", "Mapping", "NotFound", "Page", "Path", "Query", "Request", "Response",
        "Row", "Store", "Url", "Int64", "Api", "Test", "Namespace", "Record", "Repository",
        "Sequence", "Callable", "Integer", "Number", "PageQuery", "ServiceError",
        "Database", "InvalidValue", "UnknownReference",
    }
)  # fmt: skip
TEXTUAL = ("text", "email", "url")
_FILTERED_UNASKED = ("enum", "reference", "boolean")
_CRUD: tuple[OperationName, ...] = ("create", "read", "list", "update", "delete")


class Model:
    """Entities and operations ready to build, and the sentences about what was assumed on the way."""

    def __init__(self, entities: Iterable[Entity], operations: Iterable[Operation]) -> None:
        self.assumptions: list[str] = []
        self._entity_names: dict[str, str] = {}
        self._field_names: dict[tuple[str, str], str] = {}
        known = self._named(entities)
        operations = [self._renamed(op) for op in operations]
        known = [self._with_states(entity, operations) for entity in known]
        known = _without_cycles([self._checked(entity, known) for entity in known], self.assumptions)
        self.entities = tuple(known)
        self.operations = tuple(self._operations(operations))

    def _named(self, entities: Iterable[Entity]) -> list[Entity]:
        kept: list[Entity] = []
        for entity in entities:
            name = names.camel(entity.name) or "Item"
            if name in _ENTITIES_TAKEN or names.is_reserved(name):
                name += "Record"
            self._entity_names[entity.name] = name
            if any(name == other.name for other in kept):
                continue
            plural = names.snake(entity.plural) or f"{names.snake(name)}s"
            if names.is_reserved(plural) or any(plural == other.plural for other in kept):
                plural = f"{names.snake(name)}_records"
            kept.append(replace(entity, name=name, plural=plural))
        return [self._with_field_names(entity) for entity in kept]

    def _with_field_names(self, entity: Entity) -> Entity:
        kept: dict[str, Field] = {}
        for field in entity.fields:
            name = self._field_name(entity.name, field)
            self._field_names[entity.name, field.name] = name
            if name != "id":
                kept.setdefault(name, replace(field, name=name))
        return replace(entity, fields=tuple(kept.values()))

    def _field_name(self, entity: str, field: Field) -> str:
        name = names.snake(field.name) or "value"
        if field.type == "reference" and self._target(field) and not name.endswith("_id"):
            return f"{name}_id"
        taken = name in _FIELDS_TAKEN or name.startswith("model_")
        if taken or keyword.iskeyword(name) or name[0].isdigit():
            better = f"{names.snake(entity)}_{name}"
            self.assumptions.append(
                f"The field {name!r} of {names.words(entity)} is called {better!r}: the plain name is taken."
            )
            return better
        return name

    def _target(self, field: Field) -> str:
        return self._entity_names.get(field.references, "")

    def _renamed(self, op: Operation) -> Operation:
        entity = self._entity_names.get(op.entity, "")
        fields = tuple(
            dict.fromkeys(self._field_names[entity, name] for name in op.fields if (entity, name) in self._field_names)
        )
        return replace(op, entity=entity, fields=fields, field=self._field_names.get((entity, op.field), op.field))

    def _with_states(self, entity: Entity, operations: Sequence[Operation]) -> Entity:
        """The fields that transitions set must exist, and be able to hold each value."""
        for op in operations:
            if op.name != "transition" or op.entity != entity.name or not op.field:
                continue
            values = tuple(value for value in (*op.sources, op.to) if value)
            field = next((field for field in entity.fields if field.name == op.field), None)
            if field is None:
                field = Field(name=op.field, type="enum", choices=values)
                entity = replace(entity, fields=(*entity.fields, field))
            elif field.type in ("text", "enum"):
                first = (_plain_default(field),) if _plain_default(field) else ()
                choices = tuple(dict.fromkeys((*field.choices, *(first if not field.choices else ()), *values)))
                changed = replace(field, type="enum", choices=choices)
                entity = replace(entity, fields=tuple(changed if f is field else f for f in entity.fields))
        return entity

    def _checked(self, entity: Entity, known: Sequence[Entity]) -> Entity:
        fields = tuple(self._checked_field(field, entity, known) for field in entity.fields)
        if not fields:
            fields = (Field(name="name", minimum=1),)
            self.assumptions.append(f"Nothing is said of what {names.article(names.words(entity.name))} has: a name.")
        return replace(entity, fields=fields)

    def _checked_field(self, field: Field, entity: Entity, known: Sequence[Entity]) -> Field:
        target = self._target(field) or next((e.name for e in known if e.name == field.references), "")
        choices = tuple(dict.fromkeys(choice for choice in field.choices if choice))
        if field.type == "reference" and not target:
            field = replace(field, type="integer", references="")
        if field.type == "enum" and not choices:
            field = replace(field, type="text")
        field = replace(
            field,
            references=target if field.type == "reference" else "",
            choices=choices if field.type == "enum" else (),
            unique=field.unique and field.type not in ("enum", "boolean"),
        )
        field = _bounded(field)
        if field.default and not _default_fits(field):
            self.assumptions.append(f"The default of {field.name} ({field.default}) does not fit its type: left out.")
            field = replace(field, default="")
        if field.default and field.unique:
            field = replace(field, default="")
        return field

    def _operations(self, operations: Sequence[Operation]) -> list[Operation]:
        kept = [op for op in operations if op.name == "function" and op.function]
        for entity in self.entities:
            kept += self._of_entity(entity, [op for op in operations if op.entity == entity.name])
        return kept

    def _of_entity(self, entity: Entity, asked: Sequence[Operation]) -> list[Operation]:
        by_name = {op.name for op in asked}
        wanted = _CRUD if not by_name else _CRUD[:3]
        missing = [name for name in wanted if name not in by_name]
        if missing:
            self.assumptions.append(
                f"{entity.plural.replace('_', ' ').capitalize()} can also be used with: {', '.join(missing)}."
            )
        kept: dict[tuple[object, ...], Operation] = {}
        for op in (
            *(Operation(name=name, entity=entity.name) for name in _CRUD if name in by_name | set(missing)),
            *asked,
        ):
            fitted = _fitted(op, entity)
            if fitted is None:
                continue
            key = (fitted.name, fitted.field, fitted.to, fitted.format)
            before = kept.get(key)
            fields = tuple(dict.fromkeys((*(before.fields if before else ()), *fitted.fields)))
            sources = tuple(dict.fromkeys((*(before.sources if before else ()), *fitted.sources)))
            kept[key] = replace(fitted, fields=fields, sources=sources)
        return list(kept.values())


def _fitted(op: Operation, entity: Entity) -> Operation | None:
    """The operation as it can be built for this entity; None where it makes no sense."""
    if op.name == "list":
        usual = tuple(field.name for field in entity.fields if field.type in _FILTERED_UNASKED)
        return replace(op, fields=op.fields or usual)
    if op.name == "search":
        texts = tuple(field.name for field in entity.fields if field.type in TEXTUAL)
        fields = tuple(name for name in op.fields if name in texts) or texts
        return replace(op, fields=fields) if fields else None
    if op.name == "export":
        return replace(op, format="json" if op.format.lower() == "json" else "csv")
    if op.name == "transition":
        field = next((field for field in entity.fields if field.name == op.field), None)
        if field is None or not op.to or field.type not in ("enum", "boolean"):
            return None
        if field.type == "boolean":
            op = replace(op, to=_truth(op.to), sources=tuple(map(_truth, op.sources)))
        return replace(op, sources=tuple(source for source in op.sources if source != op.to))
    if op.name in _CRUD:
        return Operation(name=op.name, entity=op.entity)
    return None


def _truth(word: str) -> str:
    return "false" if word.lower() in ("false", "no", "off", "0") else "true"


def _bounded(field: Field) -> Field:
    """Bounds that make sense for the type; a required text is never empty."""
    low, high = field.minimum, field.maximum
    if field.type not in ("text", "integer", "number"):
        return replace(field, minimum=None, maximum=None)
    if low is not None and not math.isfinite(low):
        low = None
    if high is not None and not math.isfinite(high):
        high = None
    if field.type == "text":
        low = float(max(0, math.ceil(low))) if low is not None else None
        high = float(max(1, math.floor(high))) if high is not None else None
        if field.required and not low:
            low = 1.0
    elif field.type == "integer":
        low = None if low is None else float(max(-(2**53), math.ceil(low)))
        high = None if high is None else float(min(2**53, math.floor(high)))
    if low is not None and high is not None and low > high:
        low, high = high, low
    return replace(field, minimum=low, maximum=high)


def _plain_default(field: Field) -> str:
    try:
        value = json.loads(field.default) if field.default else ""
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def _default_fits(field: Field) -> bool:
    try:
        value = json.loads(field.default)
    except ValueError:
        return False
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    match field.type:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        case "enum":
            return value in field.choices
        case "text":
            return isinstance(value, str) and low <= len(value) <= high
        case _:
            return False


def _without_cycles(entities: list[Entity], assumptions: list[str]) -> list[Entity]:
    """A required reference that leads back to its own entity could never be given: it becomes optional."""
    needs: dict[str, set[str]] = {}
    fixed = []
    for entity in entities:
        fields = []
        for field in entity.fields:
            if field.type == "reference" and field.required:
                if _reaches(field.references, entity.name, needs):
                    assumptions.append(f"{entity.name}.{field.name} is optional: else no record could be the first.")
                    field = replace(field, required=False)
                else:
                    needs.setdefault(entity.name, set()).add(field.references)
            fields.append(field)
        fixed.append(replace(entity, fields=tuple(fields)))
    return fixed


def _reaches(start: str, goal: str, needs: dict[str, set[str]]) -> bool:
    return start == goal or any(_reaches(step, goal, needs) for step in sorted(needs.get(start, ())))
