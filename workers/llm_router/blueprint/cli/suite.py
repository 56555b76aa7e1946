"""The tests of a command line tool: fixtures that run it, and what holds for the tool as a whole."""

from __future__ import annotations

from workers.llm_router.blueprint import computations, names
from workers.llm_router.blueprint.cases import entity
from workers.llm_router.blueprint.cases.parts import json_value, values_fixture
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.drafts import Case, TestDraft
from workers.llm_router.blueprint.text import Module, literal

from . import whole
from .cases import CommandWriter

_RUN = '''\
class Result(NamedTuple):
    """How one run of the tool ended."""

    code: int
    output: str
    errors: str'''
_RUN_FIXTURE = '''\
@pytest.fixture
def run({needs}capsys):
    """Runs one command line."""

    def run(*argv):
        try:
            code = main([{path}*argv])
        except SystemExit as stopped:
            code = stopped.code
        return Result(code, *capsys.readouterr())

    return run'''
_RECORDS = '''\
@pytest.fixture
def records(run):
    """Runs one command line that must work, and gives the records it printed."""

    def records(*argv):
        result = run("--json", *argv)
        assert result.code == 0, result.errors
        return json.loads(result.output) if result.output else []

    return records'''
_OPTIONS = '''\
@pytest.fixture
def options():
    """Turns values into options of the command line."""

    def options(values):
        shown = {True: "yes", False: "no"}
        return [
            f"--{name.replace('_', '-')}={shown[value] if isinstance(value, bool) else value}"
            for name, value in values.items()
        ]

    return options'''


def tests(design: Design) -> tuple[TestDraft, ...]:
    files = [
        TestDraft(
            path=f"tests/test_{resource.plural}.py",
            doc=f"What can be done with {resource.nouns}, and what is refused.",
            package=design.module,
            cases=tuple(entity.cases(CommandWriter(resource, design))),
        )
        for resource in design.resources
    ]
    whole_tool = TestDraft(
        path="tests/test_cli.py",
        doc="The tool as a whole.",
        package=design.module,
        cases=tuple(whole.cases(design)),
    )
    conftest = TestDraft(path="tests/conftest.py", text=_conftest(design))
    return (conftest, *files, *computations.tests(design), *_calculations(design), whole_tool)


def _conftest(design: Design) -> str:
    module = Module("Runs the tool with a database of its own, and fills it with records.", design.module)
    module.load("pytest")
    module.use("typing", "NamedTuple")
    module.use(f"{design.module}.cli", "main")
    module.add(_RUN.split("\n"))
    if not design.resources:
        module.add(_RUN_FIXTURE.format(needs="", path="").split("\n"))
        return str(module)
    module.load("json")
    path = '"--db", str(tmp_path / "test.db"), '
    module.add(_RUN_FIXTURE.format(needs="tmp_path, ", path=path).split("\n"))
    module.add(_RECORDS.split("\n"))
    module.add(_OPTIONS.split("\n"))
    for resource in design.resources:
        doc = f"Makes values for a valid {resource.noun}"
        module.add(values_fixture(resource, module, inner="values", doc=doc, shown=json_value, id_of='["id"]'))
        module.add(_make_fixture(resource))
    return str(module)


def _make_fixture(resource: Resource) -> list[str]:
    name = names.snake(resource.name)
    return [
        "@pytest.fixture",
        f"def make_{name}(records, options, {name}_values):",
        f'    """Creates {resource.nouns} with the tool."""',
        "",
        "    def make(**changes):",
        f"        values = {name}_values(**changes)",
        f'        return records("{resource.segment}", "create", *options(values))[0]',
        "",
        "    return make",
    ]


def _calculations(design: Design) -> list[TestDraft]:
    """Each function through its command, with the first example that a command line can hold."""
    found = []
    for function in computations.functions(design):
        shown = next(filter(None, (_command_line(*example) for example in function.examples)), None)
        if shown is None:
            continue
        arguments, expected = shown
        name = f"test_{function.name}_command"
        command = [literal(names.segment(function.name)), *arguments]
        lines = [
            f"def {name}(run):",
            f"    result = run({', '.join(command)})",
            "",
            "    assert result.code == 0, result.errors",
            f"    assert result.output == {expected}",
        ]
        serves = (("", f"function {function.name}"),)
        found.append(Case(function=name, title=f"{function.name} can be run", lines=tuple(lines), serves=serves))
        if refused := _refused(function.error_examples):
            lines = [
                f"def {name}_refuses(run):",
                f"    result = run({', '.join([command[0], *refused])})",
                "",
                "    assert result.code == 1",
                '    assert result.errors.startswith("error: ")',
                '    assert result.output == ""',
            ]
            title = f"{function.name} tells what it refuses"
            case = Case(function=f"{name}_refuses", title=title, lines=tuple(lines), serves=serves, kind="error")
            found.append(case)
    if not found:
        return []
    doc = "The functions as commands."
    return [TestDraft(path="tests/test_calculations.py", doc=doc, package=design.module, cases=tuple(found))]


def _command_line(arguments: tuple[object, ...], result: object) -> tuple[list[str], str] | None:
    """The words of the command line and the text that it prints."""
    words = _words(arguments)
    if words is None:
        return None
    if isinstance(result, str):
        return words, literal(result + "\n")
    if isinstance(result, bool):
        return words, literal(f"{str(result).lower()}\n")
    return (words, literal(f"{result}\n")) if isinstance(result, int) else None


def _words(arguments: tuple[object, ...]) -> list[str] | None:
    words: list[str] = []
    for argument in arguments:
        parts = argument if isinstance(argument, list | tuple) else [argument]
        if any(isinstance(part, bool) or not isinstance(part, str | int | float) for part in parts):
            return None
        words += [literal(str(part)) for part in parts]
    return None if not words or any(word.startswith('"-') for word in words) else words


def _refused(examples: tuple[tuple[tuple[object, ...], str], ...]) -> list[str] | None:
    return next(filter(None, (_words(arguments) for arguments, _ in examples)), None)
