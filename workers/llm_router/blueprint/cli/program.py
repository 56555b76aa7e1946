"""The parts of a command line tool that do not depend on one entity."""

from __future__ import annotations

from workers.llm_router.blueprint import computations
from workers.llm_router.blueprint.design import Design
from workers.llm_router.blueprint.records import checks
from workers.llm_router.blueprint.text import Module, literal

_DEFAULT_PATH = '''\
def default_database() -> Path:
    """Where records are kept unless --db says otherwise."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / NAME / "records.db"'''
_MAIN = '''\
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it is done, 1 when it was refused."""
    arguments = build_parser().parse_args(argv)
    path = arguments.db or default_database()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        create_schema(path)
        with closing(connect(path)) as connection:
            arguments.run(arguments, connection)
    except ({error}, OSError, sqlite3.Error) as error:
        print(f"error: {{error}}", file=sys.stderr)
        return 1
    return 0'''
_PLAIN_MAIN = '''\
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it is done, 1 when it was refused."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0'''
_TABLE = '''\
def show(records: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print records as JSON, or as a table with a header."""
    if as_json:
        print(json.dumps(records, ensure_ascii=False, indent=2))
    elif records:
        lines = [[_cell(value) for value in row.values()] for row in records]
        _print_table([list(records[0]), *lines])


def _print_table(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def _cell(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())'''
_ROWS = '''\
def as_row(record: Any) -> dict[str, object]:
    """The record with its id first and dates as ISO 8601 texts."""
    values = asdict(record)
    ordered = {"id": values.pop("id"), **values}
    return {
        name: value.isoformat() if isinstance(value, datetime.date) else value
        for name, value in ordered.items()
    }'''
_ACTION = '''\
def add_action(actions: Any, name: str, run: Callable[..., None], text: str) -> ArgumentParser:
    """A command that `run` carries out."""
    command: ArgumentParser = actions.add_parser(name, help=text)
    command.set_defaults(run=run)
    return command'''
_GIVEN = '''\
def add_field(parser: ArgumentParser, name: str, **details: Any) -> None:
    """An option for a field; one that is not given leaves no trace."""
    option = "--" + name.replace("_", "-")
    parser.add_argument(option, dest=PREFIX + name, default=SUPPRESS, **details)


def given(arguments: Namespace) -> dict[str, Any]:
    """The fields that were given on the command line."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in vars(arguments).items()
        if name.startswith(PREFIX)
    }'''
_BOOLEAN = '''\
def boolean(text: str) -> bool:
    """yes or no, true or false."""
    known = {"yes": True, "true": True, "no": False, "false": False}
    if text.lower() not in known:
        raise ArgumentTypeError(f"{text!r} is neither yes nor no")
    return known[text.lower()]'''
_WRITE = '''\
def write(text: str, output: Path | None) -> None:
    """Write to the file, or to standard output."""
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")'''
_CSV = '''\
def as_csv(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """CSV with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()'''
_JSON = '''\
def as_json(rows: Iterable[Mapping[str, object]]) -> str:
    """A JSON array."""
    return json.dumps(list(rows), ensure_ascii=False, indent=2) + "\\n"'''


def cli_module(design: Design) -> str:
    module = Module("Reads the command line and runs the command that it names.", design.module)
    module.load("sys")
    module.use("argparse", "ArgumentParser")
    module.use("collections.abc", "Sequence")
    module.add(f"NAME = {literal(design.name)}")
    lines = [
        "def build_parser() -> ArgumentParser:",
        '    """The parser of the whole command line."""',
        f"    parser = ArgumentParser(prog=NAME, description={literal(_description(design.summary))})",
    ]
    if design.resources:
        _uses_records(module, design)
        lines += [
            '    parser.add_argument("--db", type=Path, help="the SQLite file to use")',
            '    parser.add_argument("--json", action="store_true", help="print JSON, not a table")',
        ]
    lines.append('    commands = parser.add_subparsers(required=True, metavar="COMMAND")')
    for resource in design.resources:
        name = f"add_{resource.plural}_commands"
        module.use(f"{design.module}.commands.{resource.plural}", name)
        lines.append(f"    {name}(commands)")
    if computations.functions(design):
        module.use(f"{design.module}.calculations", "add_calculations")
        lines.append("    add_calculations(commands)")
    module.add([*lines, "    return parser"])
    if design.resources:
        module.add(_DEFAULT_PATH.split("\n"))
        module.add(_MAIN.format(error=checks.base_error(design)).split("\n"))
    else:
        module.add(_PLAIN_MAIN.split("\n"))
    return str(module)


def _description(text: str) -> str:
    """argparse fills in what follows a percent sign."""
    return text.replace("%", "%%")


def _uses_records(module: Module, design: Design) -> None:
    module.load("os")
    module.load("sqlite3")
    module.use("contextlib", "closing")
    module.use("pathlib", "Path")
    module.use(f"{design.module}.database", "connect", "create_schema")
    module.use(f"{design.module}.errors", checks.base_error(design))


def main_module(design: Design) -> str:
    module = Module(f"Start the tool: `python -m {design.module}`.", design.module)
    module.load("sys")
    module.use(f"{design.module}.cli", "main")
    module.add('if __name__ == "__main__":', "    sys.exit(main())")
    return str(module)


def rows_module(design: Design) -> str:
    module = Module("Records as plain values, for the database and for people.", design.module)
    module.load("datetime")
    module.use("dataclasses", "asdict")
    module.use("typing", "Any")
    module.add(_ROWS.split("\n"))
    return str(module)


def options_module(design: Design) -> str:
    module = Module("Fields as options of the command line.", design.module)
    module.use("argparse", "SUPPRESS", "ArgumentParser", "Namespace")
    module.use("typing", "Any")
    module.use("collections.abc", "Callable")
    module.add('PREFIX = "field_"')
    module.add(_ACTION.split("\n"))
    module.add(_GIVEN.split("\n"))
    if any(field.type == "boolean" for resource in design.resources for field in resource.fields):
        module.use("argparse", "ArgumentTypeError")
        module.add(_BOOLEAN.split("\n"))
    return str(module)


def output_module(design: Design) -> str:
    module = Module("Records for people and for programs.", design.module)
    module.load("json")
    module.use("collections.abc", "Mapping", "Sequence")
    module.add(_TABLE.split("\n"))
    return str(module)


def export_module(design: Design) -> str:
    formats = {name for resource in design.resources for name in resource.formats}
    module = Module("Records as text, and where it goes.", design.module)
    module.load("sys")
    module.use("collections.abc", "Iterable", "Mapping")
    module.use("pathlib", "Path")
    if "csv" in formats:
        module.load("csv")
        module.load("io")
        module.use("collections.abc", "Sequence")
        module.add(_CSV.split("\n"))
    if "json" in formats:
        module.load("json")
        module.add(_JSON.split("\n"))
    module.add(_WRITE.split("\n"))
    return str(module)
