"""REST APIs with FastAPI and SQLite: which files one has."""

from __future__ import annotations

from workers.llm_router.blueprint import sqlite
from workers.llm_router.blueprint.design import Design, keys
from workers.llm_router.blueprint.drafts import INFRASTRUCTURE, Draft, Key
from workers.llm_router.blueprint.project import package_init

from . import app, calculations, models
from .routes import routes
from .suite import tests

__all__ = ["drafts", "routes", "tests"]


def drafts(design: Design) -> tuple[Draft, ...]:
    """Every file of src/, dependencies first."""
    root = f"src/{design.module}"
    everything = tuple(key for resource in design.resources for key in keys(resource))
    files = [
        Draft(
            path=f"{root}/__init__.py",
            layer=INFRASTRUCTURE,
            purpose="marks the package",
            text=package_init(design.title),
        ),
        Draft(
            path=f"{root}/errors.py",
            layer="domain",
            purpose="the errors and how they are answered",
            text=app.errors_module(design),
            serves=(("", "nonsense"), *everything),
        ),
    ]
    if design.resources:
        files += _storage(design, root, everything)
    if any(resource.formats for resource in design.resources):
        exports = tuple(key for key in everything if key[1] == "export")
        purpose = "records as files to download"
        files.append(
            Draft(
                path=f"{root}/export.py",
                layer="interface",
                purpose=purpose,
                text=app.export_module(design),
                serves=exports,
            )
        )
    files += calculations.drafts(design)
    for resource in design.resources:
        files.append(
            Draft(
                path=f"{root}/routers/{resource.plural}.py",
                layer="interface",
                purpose=f"the routes of {resource.nouns}",
                text=app.router_module(resource, design),
                serves=keys(resource),
            )
        )
    files += [
        Draft(
            path=f"{root}/app.py",
            layer="interface",
            purpose="builds the application",
            text=app.app_module(design),
            serves=(("", "health"), ("", "documented"), ("", "persistence"), *everything),
        ),
        Draft(
            path=f"{root}/__main__.py",
            layer="entry",
            purpose="starts the service",
            text=app.main_module(design),
            serves=(("", "start"),),
            entry=True,
        ),
    ]
    return tuple(files)


def _storage(design: Design, root: str, everything: tuple[Key, ...]) -> list[Draft]:
    folders = ("models", "repositories", "routers")
    docs = ("The shapes in which records travel.", "Records in the database.", "The HTTP routes.")
    files = [
        Draft(
            path=f"{root}/{folder}/__init__.py",
            layer=INFRASTRUCTURE,
            purpose=f"marks the {folder} package",
            text=package_init(doc),
        )
        for folder, doc in zip(folders, docs, strict=True)
    ]
    files += [
        Draft(
            path=f"{root}/database.py",
            layer="storage",
            purpose="the schema and its connections",
            text=sqlite.database_module(design),
            serves=tuple(
                key for key in everything if key[1].split()[:1] in (["field"], ["create"], ["unique"], ["reference"])
            ),
        ),
        Draft(
            path=f"{root}/models/shared.py",
            layer="domain",
            purpose="types that the models share",
            text=models.shared_module(design),
            serves=tuple(key for key in everything if key[1].split()[:1] in (["field"], ["list"])),
        ),
    ]
    for resource in design.resources:
        files += [
            Draft(
                path=f"{root}/models/{resource.plural}.py",
                layer="domain",
                purpose=f"what {resource.nouns} look like from outside",
                text=models.entity_module(resource, design),
                serves=keys(resource),
            ),
            Draft(
                path=f"{root}/repositories/{resource.plural}.py",
                layer="storage",
                purpose=f"keeps {resource.nouns}",
                text=sqlite.repository_module(resource, design),
                serves=keys(resource),
            ),
        ]
    return files
