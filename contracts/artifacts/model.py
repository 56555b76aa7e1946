"""The data model that a prompt describes: entities, their fields, and what may be done with them."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["rest_api", "cli", "library"]
FieldType = Literal["text", "integer", "number", "boolean", "date", "datetime", "email", "url", "enum", "reference"]
OperationName = Literal["create", "read", "list", "update", "delete", "search", "export", "transition", "function"]


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One typed attribute, snake_case. Bounds are inclusive: of the value for numbers, of the length for text.

    `references` names the entity that a `reference` points to; `choices` the values of an `enum`; `default` is the
    JSON text of the value used when none is given ('' for none).
    """

    name: str
    type: FieldType = "text"
    required: bool = True
    unique: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    references: str = ""
    default: str = ""


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One kind of record: singular CamelCase `name`, snake_case `plural`. The integer id is implied, never a field."""

    name: str
    plural: str
    fields: tuple[Field, ...]
    description: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something a user can do to an entity, or (`function`, entity '') a plain computation named `function`.

    `fields` are the ones filtered by (list) or searched in (search); a transition sets `field` to `to`, allowed only
    from the values in `sources` (any when empty); an export writes `format`.
    """

    name: OperationName
    entity: str = ""
    fields: tuple[str, ...] = ()
    field: str = ""
    to: str = ""
    sources: tuple[str, ...] = ()
    format: str = ""
    function: str = ""
