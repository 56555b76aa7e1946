"""The stores of a library: what they have in common, one per entity, and the database that joins them."""

from __future__ import annotations

from workers.llm_router.blueprint import computations, names
from workers.llm_router.blueprint.design import RANGED, Design, Resource, Transition, optional
from workers.llm_router.blueprint.records import checks
from workers.llm_router.blueprint.records.models import TYPES, annotation, default_of, has_default
from workers.llm_router.blueprint.text import Module, call, docstring, indented, literal

_HEAD = '''\
class Store(Generic[T]):
    """Records by id, in the order in which they were added.

    Subclasses say what one record is called and which fields no two records may share.
    """

    noun = "record"
    unique: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._records: dict[int, T] = {}
        self._last_id = 0'''
_IN_RANGE = '''\
def in_range(value: Any, low: Any, high: Any) -> bool:
    """Whether the value lies between the bounds given; an empty one never does."""
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)'''
_REFERENCES = '''\
        self._references: list[tuple[str, Store[Any]]] = []
        self._referrers: list[tuple[str, Store[Any]]] = []

    def refer_to(self, other: Store[Any], field: str) -> None:
        """From now on `field` must hold the id of a record of `other`, or nothing."""
        self._references.append((field, other))
        other._referrers.append((field, self))'''
_GET = '''\

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, record_id: int) -> bool:
        return record_id in self._records

    def get(self, record_id: int) -> T:
        """The record with this id; raises `NotFound`."""
        if record_id not in self._records:
            raise NotFound(self.noun, record_id)
        return self._records[record_id]

    def _insert(self, record: T) -> T:
        """Store a new record under the next id."""
        stored = replace(record, id=self._last_id + 1)
        self._check(stored)
        self._last_id += 1
        self._records[stored.id] = stored
        return stored'''
_REPLACE = '''\

    def _replace(self, record: T) -> T:
        """Store a changed record in the place of the one with its id."""
        self._check(record)
        self._records[record.id] = record
        return record'''
_REMOVE_HEAD = """\

    def _remove(self, record_id: int) -> None:"""
_REMOVE_CHECK = """\
        for field, other in self._referrers:
            if any(getattr(record, field) == record_id for record in other._records.values()):
                raise Conflict(f"{self.noun} {record_id} is still referred to by a {other.noun}")"""
_CHECK_HEAD = '''\

    def _check(self, record: T) -> None:
        """What a record can't know by itself: whether it fits the others."""
        for field in self.unique:
            value = getattr(record, field)
            if value is not None and any(
                getattr(other, field) == value and other.id != record.id
                for other in self._records.values()
            ):
                raise Conflict(f"{field} is already in use")'''
_CHECK_REFERENCES = """\
        for field, store in self._references:
            value = getattr(record, field)
            if value is not None and value not in store:
                raise UnknownReference(f"{field} refers to a record that does not exist")"""


def store_module(design: Design) -> str:
    package = f"{design.module}.errors"
    related = any(resource.references for resource in design.resources)
    removes = any(resource.deletes for resource in design.resources)
    replaces = any((resource.updates and resource.given) or resource.transitions for resource in design.resources)
    module = Module("What all stores have in common.", design.module)
    module.use("__future__", "annotations")
    module.use("dataclasses", "replace")
    module.use("typing", "Any", "Generic", "TypeVar")
    module.use(package, "Conflict", "NotFound")
    lines = _HEAD.split("\n")
    if related:
        module.use(package, "UnknownReference")
        lines += _REFERENCES.split("\n")
    lines += _GET.split("\n")
    lines += _REPLACE.split("\n") if replaces else []
    if removes:
        lines += _REMOVE_HEAD.split("\n")
        lines += ["        self.get(record_id)"]
        lines += _REMOVE_CHECK.split("\n") if related else []
        lines += ["        del self._records[record_id]"]
    lines += _CHECK_HEAD.split("\n")
    lines += _CHECK_REFERENCES.split("\n") if related else []
    module.add('T = TypeVar("T", bound=Any)')
    module.add(lines)
    if any(field.type in RANGED for resource in design.resources for field in resource.filters):
        module.add(_IN_RANGE.split("\n"))
    return str(module)


def entity_store(resource: Resource, design: Design) -> str:
    module = Module(f"{resource.nouns.capitalize()} in memory.", design.module)
    module.use(f"{design.module}.models.{resource.plural}", resource.name)
    module.use(f"{design.module}.store", "Store")
    if any(field.type in RANGED for field in resource.filters):
        module.use(f"{design.module}.store", "in_range")
    if any(field.type in ("date", "datetime") for field in (*resource.given, *resource.filters)):
        module.load("datetime")
    unique = [field.name for field in resource.uniques]
    methods = [_add(resource), _find(resource)]
    if resource.searches:
        methods.append(_search(resource))
    if resource.updates and resource.given:
        methods.append(_update(resource, module, design))
    if resource.deletes:
        methods.append(_delete(resource))
    methods += [_move(resource, move, module, design) for move in resource.transitions]
    methods += [_export(resource, name, module, design) for name in resource.formats]
    lines = [
        f"class {resource.name}Store(Store[{resource.name}]):",
        f'    """Keeps {resource.nouns}."""',
        "",
        f"    noun = {literal(resource.noun)}",
        *([f"    unique = {literal(tuple(unique))}"] if unique else []),
    ]
    for method in methods:
        lines += ["", *indented(method)]
    module.add(lines)
    return str(module)


def _add(resource: Resource) -> list[str]:
    given = sorted(resource.given, key=lambda field: has_default(field, resource))
    parameters = [
        f"{field.name}: {annotation(field)}"
        + (f" = {default_of(field, resource)}" if has_default(field, resource) else "")
        for field in given
    ]
    made = [f"{field.name}={field.name}" for field in given]
    return [
        *call("def add(", ["self", "*", *parameters] if parameters else ["self"], f") -> {resource.name}:"),
        *docstring(f"Store a new {resource.noun}.", 4),
        *_wrapped_call("return self._insert(", f"{resource.name}(", made),
    ]


def _wrapped_call(outer: str, inner: str, arguments: list[str]) -> list[str]:
    line = f"    {outer}{inner}{', '.join(arguments)}))"
    if len(line) <= 100:
        return [line]
    return [f"    {outer}", *call(inner, arguments, ")", 8), "    )"]


def _find(resource: Resource) -> list[str]:
    parameters, tests = [], []
    for field in resource.filters:
        kind = TYPES[field.type]
        parameters.append(f"{field.name}: {kind} | None = None")
        tests.append(f"({field.name} is None or record.{field.name} == {field.name})")
        if field.type in RANGED:
            parameters += [f"{field.name}_{end}: {kind} | None = None" for end in ("min", "max")]
            tests.append(f"in_range(record.{field.name}, {field.name}_min, {field.name}_max)")
    if not parameters:
        return [
            f"def find(self) -> list[{resource.name}]:",
            *docstring(f"All {resource.nouns}, oldest first.", 4),
            "    return list(self._records.values())",
        ]
    return [
        *call("def find(", ["self", "*", *parameters], f") -> list[{resource.name}]:"),
        *docstring(f"The {resource.nouns} that match everything given, oldest first.", 4),
        "    return [",
        "        record",
        "        for record in self._records.values()",
        f"        if {tests[0]}",
        *(f"        and {test}" for test in tests[1:]),
        "    ]",
    ]


def _search(resource: Resource) -> list[str]:
    texts = [
        f'(record.{field.name} or "")' if optional(field) else f"record.{field.name}" for field in resource.searches
    ]
    first, *others = [f"wanted in {text}.casefold()" for text in texts]
    return [
        f"def search(self, text: str) -> list[{resource.name}]:",
        *docstring(f"The {resource.nouns} that hold the text, in capital or small letters.", 4),
        "    wanted = text.casefold()",
        "    return [",
        "        record",
        "        for record in self._records.values()",
        f"        if {first}",
        *(f"        or {other}" for other in others),
        "    ]",
    ]


def _update(resource: Resource, module: Module, design: Design) -> list[str]:
    module.use("dataclasses", "replace")
    module.use("typing", "Any")
    module.use(f"{design.module}.errors", "InvalidValue")
    allowed = [literal(field.name) for field in resource.given]
    module.add(call("_CHANGEABLE = {", allowed, "}"))
    return [
        f"def update(self, record_id: int, /, **changes: Any) -> {resource.name}:",
        '    """Change the fields given, and no other."""',
        "    record = self.get(record_id)",
        "    for field in changes:",
        "        if field not in _CHANGEABLE:",
        '            raise InvalidValue(field, "can\'t be changed")',
        "    return self._replace(replace(record, **changes))",
    ]


def _delete(resource: Resource) -> list[str]:
    return [
        "def delete(self, record_id: int) -> None:",
        *docstring(f"Forget a {resource.noun}.", 4),
        "    self._remove(record_id)",
    ]


def _move(resource: Resource, move: Transition, module: Module, design: Design) -> list[str]:
    module.use("dataclasses", "replace")
    lines = [
        f"def {names.variable(move.verb)}(self, record_id: int) -> {resource.name}:",
        *docstring(f"Set {move.field} to {literal(move.to)}.", 4),
        "    record = self.get(record_id)",
    ]
    if move.sources:
        module.use(f"{design.module}.errors", "Conflict")
        lines += [
            f"    if {_not_from(move)}:",
            f'        raise Conflict(f"the {move.field} of {resource.noun} {{record_id}} is {{record.{move.field}}}")',
        ]
    return [*lines, f"    return self._replace(replace(record, {move.field}={literal(move.to)}))"]


def _not_from(move: Transition) -> str:
    state, shown = f"record.{move.field}", [literal(source) for source in move.sources]
    if move.sources in ((True,), (False,)):
        return f"not {state}" if move.sources[0] else state
    return f"{state} != {shown[0]}" if len(shown) == 1 else f"{state} not in ({', '.join(shown)})"


def _export(resource: Resource, name: str, module: Module, design: Design) -> list[str]:
    module.use(f"{design.module}.export", f"as_{name}")
    columns = [literal(field.name) for field in resource.fields]
    arguments = "self.find()"
    lines = [f"def to_{name}(self) -> str:", *docstring(f"All {resource.nouns} as {name.upper()} text.", 4)]
    if name == "csv":
        lines += call("columns = [", ['"id"', *columns], "]", 4)
        arguments += ", columns"
    return [*lines, f"    return as_{name}({arguments})"]


def export_module(design: Design) -> str:
    formats = {name for resource in design.resources for name in resource.formats}
    module = Module("Records as text for files; dates are written as ISO 8601 says.", design.module)
    module.use("collections.abc", "Iterable")
    module.use("dataclasses", "asdict")
    module.use("typing", "Any")
    if "csv" in formats:
        module.use("collections.abc", "Sequence")
        module.load("csv")
        module.load("io")
        module.add(
            "def as_csv(records: Iterable[Any], columns: Sequence[str]) -> str:",
            '    """CSV with a header line."""',
            "    text = io.StringIO()",
            '    writer = csv.DictWriter(text, columns, lineterminator="\\n")',
            "    writer.writeheader()",
            "    writer.writerows(_row(record) for record in records)",
            "    return text.getvalue()",
        )
    if "json" in formats:
        module.load("json")
        module.add(
            "def as_json(records: Iterable[Any]) -> str:",
            '    """A JSON array."""',
            "    return json.dumps([_row(record) for record in records], ensure_ascii=False, indent=2)",
        )
    module.load("datetime")
    module.add(
        "def _row(record: Any) -> dict[str, object]:",
        "    return {",
        "        name: value.isoformat() if isinstance(value, datetime.date) else value",
        "        for name, value in asdict(record).items()",
        "    }",
    )
    return str(module)


def database_module(design: Design) -> str:
    module = Module("All records together.", design.module)
    lines = ["class Database:", '    """Every store of the package; references between them are checked."""', ""]
    lines += ["    def __init__(self) -> None:"]
    for resource in design.resources:
        module.use(f"{design.module}.stores.{resource.plural}", f"{resource.name}Store")
        lines.append(f"        self.{names.variable(resource.plural)} = {resource.name}Store()")
    for resource in design.resources:
        own = names.variable(resource.plural)
        for field in resource.references:
            other = names.variable(design.resource(field.references).plural)
            lines.append(f"        self.{own}.refer_to(self.{other}, {literal(field.name)})")
    module.add(lines)
    return str(module)


def init_module(design: Design) -> str:
    module = Module(design.title, design.module)
    offered: list[str] = []
    if design.resources:
        errors = [checks.base_error(design), "Conflict", "InvalidValue", "NotFound"]
        if any(resource.references for resource in design.resources):
            errors.append("UnknownReference")
        module.use(f"{design.module}.database", "Database")
        module.use(f"{design.module}.errors", *errors)
        offered += ["Database", *errors]
    for resource in design.resources:
        module.use(f"{design.module}.models.{resource.plural}", resource.name)
        module.use(f"{design.module}.stores.{resource.plural}", f"{resource.name}Store")
        offered += [resource.name, f"{resource.name}Store"]
    for function in computations.functions(design):
        module.use(f"{design.module}.{computations.module_name(function, design)}", function.name)
        offered.append(function.name)
    module.add("__all__ = [", *(f"    {literal(name)}," for name in sorted(offered)), "]")
    return str(module)
