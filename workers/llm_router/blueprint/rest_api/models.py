"""The pydantic models of a REST API: one module per entity, and the types they share."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import names, sql
from workers.llm_router.blueprint.design import RANGED, Design, Resource, default, optional
from workers.llm_router.blueprint.text import Module, call, docstring, indented, literal

PLAIN = {"text": "str", "boolean": "bool", "date": "datetime.date", "datetime": "datetime.datetime"}
SHARED = {"email": "Email", "url": "Url", "integer": "Integer", "number": "Number", "reference": "Identity"}
_TAKEN = {"Annotated", "BaseModel", "ConfigDict", "Field", "Literal", "PageQuery", *SHARED.values()}


def shared_module(design: Design) -> str:
    """Types that several models use; only the ones that some field needs."""
    used = {field.type for resource in design.resources for field in resource.fields}
    module = Module("Types that the models share.", design.module)
    module.use("typing", "Annotated")
    module.use("pydantic", "BaseModel", "ConfigDict", "Field")
    module.add(
        "# The largest integer that SQLite can store.",
        "MAX_INTEGER = 2**63 - 1",
    )
    module.add("Identity = Annotated[int, Field(ge=1, le=MAX_INTEGER)]")
    if "integer" in used:
        module.add("Integer = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]", together=True)
    if "number" in used:
        module.add("Number = Annotated[float, Field(allow_inf_nan=False)]", together=True)
    if "email" in used:
        module.add(
            'Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$")]', together=True
        )
    if "url" in used:
        module.add('Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\\s/]+\\S*$")]', together=True)
    module.add(
        "class PageQuery(BaseModel):",
        '    """Which part of a list is asked for."""',
        "",
        '    model_config = ConfigDict(extra="forbid")',
        "",
        "    limit: Annotated[int, Field(ge=1, le=100)] = 20",
        "    offset: Annotated[int, Field(ge=0, le=MAX_INTEGER)] = 0",
    )
    return str(module)


def entity_module(resource: Resource, design: Design) -> str:
    module = Module(f"The shapes in which {resource.nouns} travel.", design.module)
    module.use("pydantic", "BaseModel", "ConfigDict")
    module.use(f"{design.module}.models.shared", "Identity", "PageQuery")
    types = {field.name: _type(field, resource, module, design) for field in resource.fields}
    module.add(_input(resource, types))
    if resource.updates and resource.given:
        module.add(_changes(resource, types, module))
    module.add(_record(resource, types))
    module.add(_filters(resource, types, module, design))
    module.add(
        f"class {resource.name}Page(BaseModel):",
        f'    """Part of the {resource.nouns} that match, and how many there are in all."""',
        "",
        f"    items: list[{resource.name}]",
        "    total: int",
    )
    return str(module)


def alias(field: Field, resource: Resource) -> str:
    name = names.camel(field.name)
    taken = name in _TAKEN or name.startswith(resource.name) or names.is_reserved(name)
    return f"{name}Value" if taken else name


def _type(field: Field, resource: Resource, module: Module, design: Design) -> str:
    """The annotation; a constrained type gets a name of its own first."""
    shared = f"{design.module}.models.shared"
    plain = SHARED.get(field.type) or PLAIN.get(field.type, "")
    if field.type in SHARED:
        module.use(shared, plain)
    if field.type in ("date", "datetime"):
        module.load("datetime")
    if field.type == "enum":
        module.use("typing", "Literal")
        name = alias(field, resource)
        module.add(call(f"{name} = Literal[", map(literal, field.choices), "]"), together=True)
        return name
    bounds = _bounds(field)
    if not bounds:
        return plain
    module.use("typing", "Annotated")
    module.use("pydantic", "Field")
    name = alias(field, resource)
    module.add(f"{name} = Annotated[{plain}, Field({', '.join(bounds)})]", together=True)
    return name


def _bounds(field: Field) -> list[str]:
    low, high = ("min_length", "max_length") if field.type == "text" else ("ge", "le")
    found = []
    if field.minimum:
        found.append(f"{low}={sql.number(field, field.minimum)}")
    elif field.minimum is not None and field.type != "text":
        found.append(f"{low}=0")
    if field.maximum is not None:
        found.append(f"{high}={sql.number(field, field.maximum)}")
    return found


def _attribute(field: Field, annotation: str) -> str:
    if optional(field):
        return f"{field.name}: {annotation} | None = None"
    if field.default:
        return f"{field.name}: {annotation} = {literal(default(field))}"
    return f"{field.name}: {annotation}"


def _input(resource: Resource, types: dict[str, str]) -> list[str]:
    return [
        f"class {resource.name}Input(BaseModel):",
        *docstring(f"What a client gives to create {names.article(resource.noun)}.", 4),
        "",
        '    model_config = ConfigDict(extra="forbid")',
        *[""][: len(resource.given)],
        *indented([_attribute(field, types[field.name]) for field in resource.given]),
    ]


def _record(resource: Resource, types: dict[str, str]) -> list[str]:
    return [
        f"class {resource.name}({resource.name}Input):",
        *docstring(f"{names.article(resource.noun).capitalize()} as it is stored.", 4),
        "",
        "    id: Identity",
        *indented(
            [f"{f.name}: {types[f.name]}{'' if f.required or f.default else ' | None'}" for f in resource.managed]
        ),
    ]


def _changes(resource: Resource, types: dict[str, str], module: Module) -> list[str]:
    never_null = [field.name for field in resource.given if not optional(field)]
    lines = [
        f"class {resource.name}Changes(BaseModel):",
        '    """The fields to change; those left out stay as they are."""',
        "",
        '    model_config = ConfigDict(extra="forbid")',
        "",
        *indented([f"{field.name}: {types[field.name]} | None = None" for field in resource.given]),
    ]
    if never_null:
        module.use("pydantic", "field_validator")
        lines += [
            "",
            *call("@field_validator(", map(literal, never_null), ")", 4),
            "    @classmethod",
            "    def refuse_null(cls, value: object) -> object:",
            "        if value is None:",
            '            raise ValueError("must not be null")',
            "        return value",
        ]
    return lines


def _filters(resource: Resource, types: dict[str, str], module: Module, design: Design) -> list[str]:
    lines = [f"class {resource.name}Filters(PageQuery):", f'    """Which {resource.nouns} a list shall hold."""', ""]
    for field in resource.filters:
        kind = types[field.name] if field.type == "enum" else SHARED.get(field.type) or PLAIN[field.type]
        if field.type in ("email", "url"):
            kind = "str"
        lines.append(f"    {field.name}: {kind} | None = None")
        if field.type in RANGED:
            lines += [f"    {field.name}_{end}: {kind} | None = None" for end in ("min", "max")]
    if resource.searches:
        module.use("typing", "Annotated")
        module.use("pydantic", "Field")
        lines.append("    q: Annotated[str, Field(min_length=1)] | None = None")
    return lines if len(lines) > 3 else lines[:2]
