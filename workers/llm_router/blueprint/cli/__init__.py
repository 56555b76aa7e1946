"""Command line tools with argparse, keeping records in a SQLite file."""

from __future__ import annotations

from workers.llm_router.blueprint import computations, sqlite
from workers.llm_router.blueprint.design import Design, keys
from workers.llm_router.blueprint.drafts import INFRASTRUCTURE, Draft, Key
from workers.llm_router.blueprint.project import package_init
from workers.llm_router.blueprint.records import checks, models

from . import commands, program
from .suite import tests
from .usage import commands as usage_lines

__all__ = ["drafts", "tests", "usage_lines"]


def drafts(design: Design) -> tuple[Draft, ...]:
    root = f"src/{design.module}"
    everything = tuple(key for resource in design.resources for key in keys(resource))
    computed = tuple(("", f"function {function.name}") for function in computations.functions(design))
    files = [
        Draft(
            path=f"{root}/__init__.py",
            layer=INFRASTRUCTURE,
            purpose="marks the package",
            text=package_init(design.title),
        ),
        *computations.drafts(design),
    ]
    if design.resources:
        files += _records(design, root, everything)
    if computed:
        files.append(
            Draft(
                path=f"{root}/calculations.py",
                layer="interface",
                purpose="the commands that compute",
                text=commands.calculations_module(design),
                serves=computed,
            )
        )
    files += [
        Draft(
            path=f"{root}/cli.py",
            layer="interface",
            purpose="reads the command line and runs its command",
            text=program.cli_module(design),
            serves=(("", "start"), ("", "usage"), ("", "persistence"), *everything, *computed),
        ),
        Draft(
            path=f"{root}/__main__.py",
            layer="entry",
            purpose="starts the tool",
            text=program.main_module(design),
            serves=(("", "start"),),
            entry=True,
        ),
    ]
    return tuple(files)


def _records(design: Design, root: str, everything: tuple[Key, ...]) -> list[Draft]:
    fields = tuple(key for key in everything if key[1].startswith("field "))
    shown = tuple(key for key in everything if key[1] in ("read", "list", "create"))

    def draft(name: str, layer: str, purpose: str, text: str, serves: tuple[Key, ...]) -> Draft:
        return Draft(path=f"{root}/{name}", layer=layer, purpose=purpose, text=text, serves=serves)

    docs = {"models": "What is kept.", "repositories": "Records in the database.", "commands": "The commands."}
    files = [
        draft(f"{name}/__init__.py", INFRASTRUCTURE, f"marks the {name} package", package_init(doc), ())
        for name, doc in docs.items()
    ]
    files += [
        draft("errors.py", "domain", "the errors of the package", checks.errors_module(design), everything),
        draft("checks.py", "domain", "checks of single values", checks.checks_module(design), fields),
        draft("rows.py", "storage", "records as plain values", program.rows_module(design), shown),
        draft("database.py", "storage", "the schema and its connections", sqlite.database_module(design), everything),
        draft("options.py", "interface", "reads values from the command line", program.options_module(design), fields),
        draft("output.py", "interface", "shows records", program.output_module(design), shown),
    ]
    if any(resource.formats for resource in design.resources):
        exported = tuple(key for key in everything if key[1] == "export")
        files.append(draft("export.py", "interface", "writes files", program.export_module(design), exported))
    for resource in design.resources:
        name, served = resource.plural, keys(resource)
        model, repository = models.entity_module(resource, design), sqlite.repository_module(resource, design)
        files += [
            draft(f"models/{name}.py", "domain", f"what {resource.nouns} are", model, served),
            draft(f"repositories/{name}.py", "storage", f"keeps {resource.nouns}", repository, served),
            draft(
                f"commands/{name}.py",
                "interface",
                f"the commands for {resource.nouns}",
                commands.entity_module(resource, design),
                served,
            ),
        ]
    return files
