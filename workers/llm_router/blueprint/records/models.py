"""One dataclass per entity, which checks its values whenever it is made."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, sql
from workers.llm_router.blueprint.design import Design, Resource, default, initial, optional
from workers.llm_router.blueprint.text import Module, call, docstring, literal

TYPES = {
    "text": "str",
    "email": "str",
    "url": "str",
    "integer": "int",
    "reference": "int",
    "number": "float",
    "boolean": "bool",
    "date": "datetime.date",
    "datetime": "datetime.datetime",
    "enum": "str",
}
_FORMS = {"email": ("EMAIL", "an e-mail address"), "url": ("URL", "a web address")}


def entity_module(resource: Resource, design: Design) -> str:
    module = Module(f"What {names.article(resource.noun)} is.", design.module)
    module.use("dataclasses", "dataclass")
    if any(field.type in ("date", "datetime") for field in resource.fields):
        module.load("datetime")
    for field in resource.fields:
        if field.type == "enum":
            module.add(call(f"{choices_name(field)} = (", _tuple(field.choices), ")"), together=True)
    checks = [line for field in resource.fields for line in _check(field, module, design)]
    module.add(
        "@dataclass(frozen=True, slots=True, kw_only=True)",
        f"class {resource.name}:",
        *docstring(f"{names.article(resource.noun).capitalize()}; its `id` is 0 until it is stored.", 4),
        "",
        *(f"    {_attribute(field, resource)}" for field in _required_first(resource)),
        "    id: int = 0",
        "",
        "    def __post_init__(self) -> None:",
        *checks,
    )
    return str(module)


def choices_name(field: Field) -> str:
    return f"{field.name.upper()}_CHOICES"


def annotation(field: Field) -> str:
    return f"{TYPES[field.type]} | None" if optional(field) else TYPES[field.type]


def has_default(field: Field, resource: Resource) -> bool:
    return optional(field) or bool(field.default) or field in resource.managed


def default_of(field: Field, resource: Resource) -> str:
    """The source of the value that is used when none is given."""
    return literal(initial(field) if field in resource.managed else default(field))


def _tuple(items: tuple[str, ...]) -> list[str]:
    shown = [literal(item) for item in items]
    return shown if len(shown) > 1 else [f"{shown[0]},"]


def _required_first(resource: Resource) -> list[Field]:
    return sorted(resource.fields, key=lambda field: has_default(field, resource))


def _attribute(field: Field, resource: Resource) -> str:
    head = f"{field.name}: {annotation(field)}"
    return f"{head} = {default_of(field, resource)}" if has_default(field, resource) else head


def _check(field: Field, module: Module, design: Design) -> list[str]:
    checks = f"{design.module}.checks"
    value = [literal(field.name), f"self.{field.name}"]
    if field.type in _FORMS:
        form, what = _FORMS[field.type]
        function, arguments = "check_form", [*value, form, literal(what)]
        module.use(checks, form)
    elif field.type == "enum":
        function, arguments = "check_choice", [*value, choices_name(field)]
    elif field.type == "reference":
        function, arguments = "check_integer", [*value, "minimum=1"]
    else:
        function, arguments = f"check_{field.type}", [*value, *_bounds(field)]
    module.use(checks, function)
    if not optional(field):
        return call(f"{function}(", arguments, ")", 8)
    return [f"        if self.{field.name} is not None:", *call(f"{function}(", arguments, ")", 12)]


def _bounds(field: Field) -> list[str]:
    bounds = {"minimum": field.minimum, "maximum": field.maximum}
    return [
        f"{name}={sql.number(field, bound)}"
        for name, bound in bounds.items()
        if bound is not None and not (field.type == "text" and bound == 0)
    ]
