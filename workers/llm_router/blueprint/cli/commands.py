"""The commands of one entity: their parsers, and the functions that carry them out."""

from __future__ import annotations

from contracts.artifacts import Field
from workers.llm_router.blueprint import computations, names, sql
from workers.llm_router.blueprint.design import RANGED, Design, Resource, Transition, optional
from workers.llm_router.blueprint.records.models import choices_name, has_default
from workers.llm_router.blueprint.text import Module, call, docstring, literal, plain

_TYPES = {"integer": "int", "reference": "int", "number": "float", "boolean": "boolean"}


def entity_module(resource: Resource, design: Design) -> str:
    package = design.module
    module = Module(f"The commands for {resource.nouns}.", package)
    module.load("sqlite3")
    module.use("argparse", "Namespace")
    module.use("typing", "Any")
    module.use(f"{package}.models.{resource.plural}", resource.name)
    module.use(f"{package}.options", "add_action", "add_field", "given")
    module.use(f"{package}.output", "show")
    module.use(f"{package}.repositories.{resource.plural}", f"{resource.name}Repository")
    module.use(f"{package}.rows", "as_row")
    filters = [f"{literal(name)}: None" for name in sql.filter_names(resource)]
    everything = [*filters, '"limit": -1', '"offset": 0']
    module.add(call("EVERYTHING: dict[str, object] = {", everything, "}"))
    module.add(_parsers(resource, module, design))
    for lines in _handlers(resource, module, design):
        module.add(lines)
    return str(module)


def _parsers(resource: Resource, module: Module, design: Design) -> list[str]:
    made = [
        *_sub(resource, "create", f"create {names.article(resource.noun)}"),
        *(line for field in resource.given for line in _option(field, module, design, resource, needed=True)),
        *_sub(resource, "list", f"list {resource.nouns}"),
        *(line for field in resource.filters for line in _filter_options(field, module, design, resource)),
        '    add_field(command, "limit", type=int, help="how many at most")',
        '    add_field(command, "offset", type=int, help="how many to skip")',
        *_sub(resource, "show", f"show one {resource.noun}"),
        _ID,
    ]
    if resource.searches:
        made += [
            *_sub(resource, "search", f"find {resource.nouns} by a part of their text"),
            '    command.add_argument("text")',
        ]
    if resource.updates and resource.given:
        made += [*_sub(resource, "update", f"change some fields of {names.article(resource.noun)}"), _ID]
        made += [line for field in resource.given for line in _option(field, module, design, resource, needed=False)]
        emptied = [literal(field.name) for field in resource.given if optional(field)]
        if emptied:
            made += call('command.add_argument("--clear", action="append", default=[], choices=[', emptied, "])", 4)
    if resource.deletes:
        made += [*_sub(resource, "delete", f"delete {names.article(resource.noun)}"), _ID]
    for move in resource.transitions:
        made += [*_sub(resource, move.verb, f"set {move.field} to {_help(move.to)}"), _ID]
    if resource.formats:
        module.use("pathlib", "Path")
        formats = literal(list(resource.formats))
        made += [
            *_sub(resource, "export", f"write all {resource.nouns} to a file"),
            f'    command.add_argument("format", choices={formats})',
            '    command.add_argument("--output", type=Path, help="the file; else standard output")',
        ]
    return [
        f"def add_{resource.plural}_commands(commands: Any) -> None:",
        *docstring(f"Add everything that can be done with {resource.nouns}.", 4),
        f'    parser = commands.add_parser({literal(resource.segment)}, help="work with {resource.nouns}")',
        '    actions = parser.add_subparsers(required=True, metavar="ACTION")',
        *made,
    ]


_ID = '    command.add_argument("id", type=int)'


def _sub(resource: Resource, verb: str, text: str) -> list[str]:
    return [
        "",
        *call(
            "command = add_action(",
            ["actions", literal(names.segment(verb)), _handler(resource, verb), literal(text)],
            ")",
            4,
        ),
    ]


def _handler(resource: Resource, verb: str) -> str:
    return f"{verb}_{resource.plural if verb in ('list', 'search', 'export') else names.snake(resource.name)}"


def _help(value: str | bool) -> str:
    """argparse fills in what follows a percent sign."""
    return str(value).replace("%", "%%").replace("True", "yes").replace("False", "no")


def _option(field: Field, module: Module, design: Design, resource: Resource, *, needed: bool) -> list[str]:
    details = _details(field, module, design, resource)
    if needed and not has_default(field, resource):
        details.append("required=True")
    return call("add_field(", ["command", literal(field.name), *details], ")", 4)


def _filter_options(field: Field, module: Module, design: Design, resource: Resource) -> list[str]:
    details = _details(field, module, design, resource)
    found = call("add_field(", ["command", literal(field.name), *details], ")", 4)
    if field.type in RANGED:
        for end in ("min", "max"):
            found += call("add_field(", ["command", literal(f"{field.name}_{end}"), *details], ")", 4)
    return found


def _details(field: Field, module: Module, design: Design, resource: Resource) -> list[str]:
    if field.type in ("date", "datetime"):
        module.load("datetime")
        return [f"type=datetime.{field.type}.fromisoformat"]
    if field.type == "boolean":
        module.use(f"{design.module}.options", "boolean")
    if field.type == "enum":
        module.use(f"{design.module}.models.{resource.plural}", choices_name(field))
        shown = _help("one of: " + ", ".join(plain(choice) for choice in field.choices))
        return [f"choices={choices_name(field)}", f"metavar={literal(field.name.upper())}", f"help={literal(shown)}"]
    return [f"type={_TYPES[field.type]}"] if field.type in _TYPES else []


def _handlers(resource: Resource, module: Module, design: Design) -> list[list[str]]:
    repository = f"{resource.name}Repository(connection)"
    shown = "    show([as_row({})], as_json=arguments.json)"
    var = resource.var
    made = [
        [
            _head(resource, "create"),
            f"    {var} = {resource.name}(**given(arguments))",
            f"    stored = {repository}.create(as_row({var}))",
            shown.format("stored"),
        ],
        [_head(resource, "list"), *_list_body(resource, repository)],
        [_head(resource, "show"), shown.format(f"{repository}.get(arguments.id)")],
    ]
    if resource.searches:
        made.append(
            [
                _head(resource, "search"),
                f'    found, _ = {repository}.page({{**EVERYTHING, "q": arguments.text}})',
                f"    show([as_row({var}) for {var} in found], as_json=arguments.json)",
            ]
        )
    if resource.updates and resource.given:
        cleared = any(optional(field) for field in resource.given)
        changes = "{**dict.fromkeys(arguments.clear), **given(arguments)}" if cleared else "given(arguments)"
        made.append(
            [
                _head(resource, "update"),
                f"    changes = {changes}",
                f"    changed = {repository}.update(arguments.id, changes)",
                shown.format("changed"),
            ]
        )
    if resource.deletes:
        made.append([_head(resource, "delete"), f"    {repository}.delete(arguments.id)"])
    made += [_move(resource, move, repository, shown) for move in resource.transitions]
    if resource.formats:
        made.append(_export(resource, repository, module, design))
    return made


def _head(resource: Resource, verb: str) -> str:
    return f"def {_handler(resource, verb)}(arguments: Namespace, connection: sqlite3.Connection) -> None:"


def _list_body(resource: Resource, repository: str) -> list[str]:
    dated = any(field.type in ("date", "datetime") for field in resource.filters)
    asked = "{**EVERYTHING, **given(arguments)}"
    lines = [f"    found, _ = {repository}.page({asked})"]
    if dated:
        lines = [
            f"    asked = {asked}",
            "    for name, value in asked.items():",
            "        if isinstance(value, datetime.date):",
            "            asked[name] = value.isoformat()",
            f"    found, _ = {repository}.page(asked)",
        ]
    return [*lines, f"    show([as_row({resource.var}) for {resource.var} in found], as_json=arguments.json)"]


def _move(resource: Resource, move: Transition, repository: str, shown: str) -> list[str]:
    return [_head(resource, move.verb), shown.format(f"{repository}.{names.variable(move.verb)}(arguments.id)")]


def _export(resource: Resource, repository: str, module: Module, design: Design) -> list[str]:
    module.use(f"{design.module}.export", "write", *(f"as_{name}" for name in resource.formats))
    columns = [literal("id"), *(literal(field.name) for field in resource.fields)]
    lines = [_head(resource, "export"), f"    rows = [as_row({resource.var}) for {resource.var} in {repository}.all()]"]
    if "csv" in resource.formats:
        lines += call("columns = [", columns, "]", 4)
    texts = {"csv": "as_csv(rows, columns)", "json": "as_json(rows)"}
    if len(resource.formats) == 1:
        return [*lines, f"    write({texts[resource.formats[0]]}, arguments.output)"]
    return [
        *lines,
        f'    text = {texts["csv"]} if arguments.format == "csv" else {texts["json"]}',
        "    write(text, arguments.output)",
    ]


def calculations_module(design: Design) -> str:
    module = Module("The commands that compute something and print it.", design.module)
    module.load("json")
    module.use("argparse", "Namespace")
    module.use("typing", "Any")
    lines = ["def add_calculations(commands: Any) -> None:", '    """Add one command per function."""']
    handlers = []
    for function in computations.functions(design):
        topic = computations.module_name(function, design)
        module.use(f"{design.module}.{topic}", function.name)
        summary = function.doc.partition("\n")[0].replace("%", "%%")
        lines.append(
            f"    command = commands.add_parser({literal(names.segment(function.name))}, help={literal(summary)})"
        )
        lines.append(f"    command.set_defaults(run=run_{function.name})")
        for name, kind in function.parameters:
            lines += call("command.add_argument(", [literal(name), *_argument(kind, module)], ")", 4)
        arguments = ", ".join(f"arguments.{name}" for name, _ in function.parameters)
        handlers.append(
            [f"def run_{function.name}(arguments: Namespace) -> None:", f"    _print({function.name}({arguments}))"]
        )
    module.add(lines)
    for handler_lines in handlers:
        module.add(handler_lines)
    module.add(
        "def _print(value: object) -> None:",
        "    print(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))",
    )
    return str(module)


def _argument(kind: str, module: Module) -> list[str]:
    """How a positional of this Python type is read."""
    if kind == "str":
        return []
    if kind in ("int", "float"):
        return [f"type={kind}"]
    for outer in ("list[", "Sequence[", "Iterable[", "Collection["):
        inner = kind.removeprefix(outer).removesuffix("]")
        if kind.startswith(outer) and inner in ("str", "int", "float"):
            return [*([] if inner == "str" else [f"type={inner}"]), 'nargs="+"']
    return ["type=json.loads"]
