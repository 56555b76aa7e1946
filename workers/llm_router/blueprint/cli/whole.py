"""The test cases for a command line tool as a whole."""

from __future__ import annotations

from workers.llm_router.blueprint import computations, names
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.drafts import Case
from workers.llm_router.blueprint.text import indented, literal


def cases(design: Design) -> list[Case]:
    made = [_help(design), _nonsense(), _started(design)]
    if design.resources:
        if any(field.type == "boolean" for resource in design.resources for field in resource.fields):
            made.append(_booleans(design))
        resource = next((found for found in design.resources if not found.references), design.resources[0])
        made += [_default_place(resource, design), _bad_place(resource, design), _table(resource)]
    return made


def _case(
    name: str, title: str, fixtures: str, body: list[str], operation: str, uses: tuple[tuple[str, str], ...] = ()
) -> Case:
    lines = (f"def {name}({fixtures}):", *indented(body))
    return Case(function=name, title=title, lines=lines, serves=(("", operation),), uses=uses)


def _help(design: Design) -> Case:
    known = [resource.segment for resource in design.resources]
    known += [names.segment(function.name) for function in computations.functions(design)]
    body = [
        'result = run("--help")',
        "",
        "assert result.code == 0",
        f"for command in {literal(known)}:",
        "    assert command in result.output",
    ]
    return _case("test_help_names_the_commands", "The help names every command", "run", body, "start")


def _nonsense() -> Case:
    lines = (
        '@pytest.mark.parametrize("argv", [[], ["unheard-of"]])',
        "def test_command_line_without_sense(run, argv):",
        "    result = run(*argv)",
        "",
        "    assert result.code == 2",
        '    assert "usage:" in result.errors',
        '    assert result.output == ""',
    )
    return Case(
        function="test_command_line_without_sense",
        title="A command line that makes no sense is refused",
        lines=lines,
        serves=(("", "usage"),),
        kind="error",
    )


def _started(design: Design) -> Case:
    body = [
        f'monkeypatch.setattr("sys.argv", [{literal(design.name)}, "--help"])',
        "",
        "with pytest.raises(SystemExit) as stopped:",
        f'    runpy.run_module({literal(design.module)}, run_name="__main__")',
        "",
        "assert stopped.value.code == 0",
        f"assert {literal(design.name)} in capsys.readouterr().out",
    ]
    title = "The tool starts as a module of Python"
    return _case("test_starts_as_module", title, "monkeypatch, capsys", body, "start", (("runpy", ""),))


def _booleans(design: Design) -> Case:
    lines = (
        "@pytest.mark.parametrize(",
        '    ("text", "value"),',
        '    [("yes", True), ("TRUE", True), ("no", False), ("False", False)],',
        ")",
        "def test_yes_and_no(text, value):",
        "    assert boolean(text) is value",
    )
    return Case(
        function="test_yes_and_no",
        title="Yes and no can be written in several ways",
        lines=lines,
        serves=(("", "usage"),),
        uses=((f"{design.module}.options", "boolean"),),
    )


def _default_place(resource: Resource, design: Design) -> Case:
    snake = names.snake(resource.name)
    body = [
        'monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))',
        f'command = ["{resource.segment}", "create", *options({snake}_values())]',
        "",
        "assert main(command) == 0",
        f'assert (tmp_path / {literal(design.name)} / "records.db").is_file()',
        "",
        'monkeypatch.delenv("XDG_DATA_HOME")',
        'monkeypatch.setenv("HOME", str(tmp_path))',
        f'assert default_database() == tmp_path / ".local" / "share" / {literal(design.name)} / "records.db"',
    ]
    return _case(
        "test_records_are_kept_in_the_data_folder",
        "Records are kept in the user's data folder",
        f"tmp_path, monkeypatch, options, {snake}_values",
        body,
        "persistence",
        ((f"{design.module}.cli", "main"), (f"{design.module}.cli", "default_database")),
    )


def _bad_place(resource: Resource, design: Design) -> Case:
    body = [
        f'assert main(["--db", str(tmp_path), "{resource.segment}", "list"]) == 1',
        "",
        'assert capsys.readouterr().err.startswith("error: ")',
    ]
    return _case(
        "test_database_that_can_not_be_opened",
        "A database file that can't be opened is told, not crashed upon",
        "tmp_path, capsys",
        body,
        "persistence",
        ((f"{design.module}.cli", "main"),),
    )


def _table(resource: Resource) -> Case:
    fields = ["id", *(field.name for field in resource.fields)]
    made = f"make_{names.snake(resource.name)}"
    body = [
        f'assert run("{resource.segment}", "list").output == ""',
        f"made = {made}()",
        "",
        f'header, line = run("{resource.segment}", "list").output.splitlines()',
        "",
        f"assert sorted(header.split()) == {literal(sorted(fields))}",
        'assert line.split()[0] == str(made["id"])',
        "for value in made.values():",
        "    assert value is None or str(value) in line",
    ]
    return _case(
        "test_records_are_shown_as_a_table", "Records are shown as a table with a header", f"run, {made}", body, "start"
    )
