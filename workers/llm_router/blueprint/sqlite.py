"""The SQLite database module of a package and one repository per entity, over pydantic models or dataclasses."""

# ruff: noqa: S608 - writes SQL into source files and runs none; names are checked identifiers, values are quoted
from __future__ import annotations

from contracts.artifacts import Field

from . import names, sql
from .design import Design, Resource, Transition, optional
from .text import Module, call, docstring, indented, literal, triple

_CONNECT = '''\
def connect(path: str | Path) -> sqlite3.Connection:
    """A connection whose rows read like mappings and which enforces references."""
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection'''
_CREATE = '''\
def create_schema(path: str | Path) -> None:
    """Create the tables that are not there yet; readers don't wait for writers."""
    with closing(connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)'''


def database_module(design: Design) -> str:
    module = Module("The SQLite database: its schema, and how it is opened and written.", design.module)
    module.load("sqlite3")
    module.use("contextlib", "closing")
    module.use("pathlib", "Path")
    plural_of = {resource.name: resource.plural for resource in design.resources}
    statements = ["\n".join([*sql.table(resource, plural_of), *sql.indexes(resource)]) for resource in design.resources]
    module.add('SCHEMA = """\n' + triple("\n\n".join(statements)) + '\n"""')
    module.add(_CONNECT.split("\n"))
    module.add(_CREATE.split("\n"))
    module.add(_transaction(design, module))
    return str(module)


def _transaction(design: Design, module: Module) -> list[str]:
    module.use("collections.abc", "Iterator")
    module.use("contextlib", "contextmanager")
    unique = any(resource.uniques for resource in design.resources)
    reference = any(resource.references for resource in design.resources)
    if unique:
        module.use(f"{design.module}.errors", "Conflict")
    signature = [
        "connection: sqlite3.Connection",
        *(["broken_reference: Exception | None = None"] if reference else []),
    ]
    head = ["@contextmanager", *call("def transaction(", signature, ") -> Iterator[None]:")]
    kept = ["with connection:", '    connection.execute("BEGIN IMMEDIATE")', "    yield"]
    doc = "Commit what is done inside, or none of it; nobody else writes meanwhile."
    if not (unique or reference):
        return [*head, *docstring(doc, 4), *indented(kept)]
    return [
        *head,
        f'    """{doc}',
        "",
        *(["    A value that must be unique and is taken raises `Conflict`."] if unique else []),
        *(
            ["    A reference that leads nowhere, or a record still referred to, raises `broken_reference`."]
            if reference
            else []
        ),
        '    """',
        "    try:",
        *indented(kept, 8),
        "    except sqlite3.IntegrityError as error:",
        *(
            [
                '        if error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE":',
                '            column = str(error).rpartition(".")[2]',
                '            raise Conflict(f"{column} is already in use") from error',
            ]
            if unique
            else []
        ),
        *(
            [
                '        if broken_reference and error.sqlite_errorname == "SQLITE_CONSTRAINT_FOREIGNKEY":',
                "            raise broken_reference from error",
            ]
            if reference
            else []
        ),
        "        raise",
    ]


def repository_module(resource: Resource, design: Design) -> str:
    module = Module(f"{resource.nouns.capitalize()} in the database.", design.module)
    module.load("sqlite3")
    module.use("collections.abc", "Mapping")
    module.use(f"{design.module}.database", "transaction")
    module.use(f"{design.module}.errors", "NotFound")
    module.use(f"{design.module}.models.{resource.plural}", resource.name)
    for name, lines in _statements(resource).items():
        module.add(_constant(name, lines), together=True)
    methods = [_init(), _create(resource, module, design), _get(resource), _page(resource)]
    if resource.formats:
        methods.append(_all(resource))
    if resource.updates and resource.given:
        methods.append(_update(resource, module, design))
    if resource.deletes:
        methods.append(_delete(resource, module, design))
    methods += [_move(resource, transition, module, design) for transition in resource.transitions]
    lines = [f"class {resource.name}Repository:", f'    """Keeps {resource.nouns}."""']
    for method in methods:
        lines += ["", *indented(method)]
    module.add(lines)
    module.add(_from_row(resource, module, design))
    return str(module)


def _from_row(resource: Resource, module: Module, design: Design) -> list[str]:
    head = f"def _{names.snake(resource.name)}(row: sqlite3.Row) -> {resource.name}:"
    if design.kind == "rest_api":
        return [head, f"    return {resource.name}.model_validate(dict(row))"]
    return [
        head,
        f"    return {resource.name}(",
        '        id=row["id"],',
        *(f"        {field.name}={_column_value(field, module)}," for field in resource.fields),
        "    )",
    ]


def _column_value(field: Field, module: Module) -> str:
    column = f'row["{field.name}"]'
    if field.type in ("date", "datetime"):
        module.load("datetime")
        parsed = f"datetime.{field.type}.fromisoformat({column})"
        return f"{parsed} if {column} else None" if optional(field) else parsed
    # SQLite has no booleans, and RETURNING gives 2.0 back as 2.
    if converter := {"boolean": "bool", "number": "float"}.get(field.type):
        return f"None if {column} is None else {converter}({column})" if optional(field) else f"{converter}({column})"
    return column


def _statements(resource: Resource) -> dict[str, list[str]]:
    plural = sql.quoted(resource.plural)
    found = {
        "_INSERT": sql.insert(resource),
        "_GET": [f'SELECT * FROM {plural} WHERE "id" = :id'],
        "_PAGE": [f"SELECT * FROM {plural}", *sql.where(resource), 'ORDER BY "id" LIMIT :limit OFFSET :offset'],
        "_COUNT": [f"SELECT count(*) FROM {plural}", *sql.where(resource)],
    }
    if resource.formats:
        found["_ALL"] = [f'SELECT * FROM {plural} ORDER BY "id"']
    if resource.updates and resource.given:
        found["_UPDATE"] = sql.update(resource)
    if resource.deletes:
        found["_DELETE"] = [f'DELETE FROM {plural} WHERE "id" = :id']
    for transition in resource.transitions:
        found[_constant_name(transition)] = sql.move(resource, transition)
    return found


def _constant_name(transition: Transition) -> str:
    return f"_{transition.verb.upper()}"


def _constant(name: str, lines: list[str]) -> list[str]:
    if len(lines) == 1:
        text = lines[0]
        return [f"{name} = {literal(text)}" if '"' not in text else f"{name} = '{text}'"]
    return [f'{name} = """', *(triple(line) for line in lines), '"""']


def _init() -> list[str]:
    return [
        "def __init__(self, connection: sqlite3.Connection) -> None:",
        "    self._connection = connection",
    ]


def _within(broken: str, *statements: str) -> list[str]:
    """Statements in one transaction; `broken` is what an unknown reference raises."""
    arguments = ", ".join(filter(None, ("self._connection", broken)))
    return [f"    with transaction({arguments}):", *indented(statements, 8)]


def _create(resource: Resource, module: Module, design: Design) -> list[str]:
    return [
        f"def create(self, values: Mapping[str, object]) -> {resource.name}:",
        *_checked(resource, module, design, "row = self._connection.execute(_INSERT, values).fetchone()"),
        f"    return _{names.snake(resource.name)}(row)",
    ]


def _checked(resource: Resource, module: Module, design: Design, *statements: str) -> list[str]:
    """Statements in a transaction that tells of an unknown reference."""
    if not resource.references:
        return _within("", *statements)
    module.use(f"{design.module}.errors", "UnknownReference")
    fields = names.listing([field.name for field in resource.references], "or")
    error = f'"{fields} refers to a record that does not exist"'
    return [*call("unknown = UnknownReference(", [error], ")", 4), *_within("unknown", *statements)]


def _get(resource: Resource) -> list[str]:
    return [
        f"def get(self, record_id: int) -> {resource.name}:",
        '    row = self._connection.execute(_GET, {"id": record_id}).fetchone()',
        "    if row is None:",
        f'        raise NotFound("{resource.noun}", record_id)',
        f"    return _{names.snake(resource.name)}(row)",
    ]


def _page(resource: Resource) -> list[str]:
    return [
        f"def page(self, filters: Mapping[str, object]) -> tuple[list[{resource.name}], int]:",
        '    """The part of the matches that limit and offset give, and the number of all."""',
        "    rows = self._connection.execute(_PAGE, filters).fetchall()",
        "    (total,) = self._connection.execute(_COUNT, filters).fetchone()",
        f"    return [_{names.snake(resource.name)}(row) for row in rows], total",
    ]


def _all(resource: Resource) -> list[str]:
    return [
        f"def all(self) -> list[{resource.name}]:",
        f"    return [_{names.snake(resource.name)}(row) for row in self._connection.execute(_ALL)]",
    ]


def _update(resource: Resource, module: Module, design: Design) -> list[str]:
    changes, merged = "object", '{**self.get(record_id).model_dump(mode="json"), **changes}'
    if design.kind != "rest_api":
        module.use("dataclasses", "replace")
        module.use("typing", "Any")
        module.use(f"{design.module}.rows", "as_row")
        changes, merged = "Any", "as_row(replace(self.get(record_id), **changes))"
    statements = (f"values = {merged}", "row = self._connection.execute(_UPDATE, values).fetchone()")
    return [
        f"def update(self, record_id: int, changes: Mapping[str, {changes}]) -> {resource.name}:",
        *_checked(resource, module, design, *statements),
        f"    return _{names.snake(resource.name)}(row)",
    ]


def _delete(resource: Resource, module: Module, design: Design) -> list[str]:
    deletion = 'cursor = self._connection.execute(_DELETE, {"id": record_id})'
    body = _within("", deletion)
    if resource.children:
        module.use(f"{design.module}.errors", "Conflict")
        users = names.listing(sorted({design.resource(entity).nouns for entity, _ in resource.children}), "or")
        body = [
            f'    in_use = Conflict(f"{resource.noun} {{record_id}} is still referred to by {users}")',
            *_within("in_use", deletion),
        ]
    return [
        "def delete(self, record_id: int) -> None:",
        *body,
        "    if cursor.rowcount == 0:",
        f'        raise NotFound("{resource.noun}", record_id)',
    ]


def _move(resource: Resource, transition: Transition, module: Module, design: Design) -> list[str]:
    refusal = [f'    raise NotFound("{resource.noun}", record_id)']
    if transition.sources:
        module.use(f"{design.module}.errors", "Conflict")
        refusal = [
            "    current = self.get(record_id)",
            *(line[8:] for line in call("raise Conflict(", [_refusal(resource, transition)], ")", 12)),
        ]
    parameters = '{"id": record_id}'
    return [
        f"def {names.variable(transition.verb)}(self, record_id: int) -> {resource.name}:",
        *docstring(f"Set {transition.field} to {literal(transition.to)}{_from(transition)}.", 4),
        *_within(
            "",
            f"row = self._connection.execute({_constant_name(transition)}, {parameters}).fetchone()",
            "if row is None:",
            *refusal,
        ),
        f"    return _{names.snake(resource.name)}(row)",
    ]


def _refusal(resource: Resource, transition: Transition) -> str:
    field = transition.field
    return f'f"the {field} of {resource.noun} {{record_id}} is {{current.{field}}}, which does not allow this"'


def _from(transition: Transition) -> str:
    if not transition.sources:
        return ""
    return f", which may be {names.listing([literal(source) for source in transition.sources], 'or')} before"
