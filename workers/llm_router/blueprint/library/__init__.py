"""Libraries: dataclasses with stores in memory, and modules of plain functions."""

from __future__ import annotations

from workers.llm_router.blueprint import computations
from workers.llm_router.blueprint.design import Design, keys
from workers.llm_router.blueprint.drafts import INFRASTRUCTURE, Draft
from workers.llm_router.blueprint.project import package_init
from workers.llm_router.blueprint.records import checks, models

from . import stores
from .suite import tests

__all__ = ["drafts", "tests"]


def drafts(design: Design) -> tuple[Draft, ...]:
    root = f"src/{design.module}"
    files = [
        Draft(
            path=f"{root}/py.typed",
            layer=INFRASTRUCTURE,
            purpose="tells type checkers that the package is typed",
            text="# PEP 561: this package is typed.\n",
        )
    ]
    if design.resources:
        files += _records(design, root)
    files += computations.drafts(design)
    files.append(
        Draft(
            path=f"{root}/__init__.py",
            layer="interface",
            purpose="names what the package offers",
            text=stores.init_module(design),
            serves=(("", "start"),),
            entry=True,
        )
    )
    return tuple(files)


def _records(design: Design, root: str) -> list[Draft]:
    everything = tuple(key for resource in design.resources for key in keys(resource))
    files = [
        Draft(
            path=f"{root}/errors.py",
            layer="domain",
            purpose="the errors of the package",
            text=checks.errors_module(design),
            serves=everything,
        ),
        Draft(
            path=f"{root}/checks.py",
            layer="domain",
            purpose="checks of single values",
            text=checks.checks_module(design),
            serves=tuple(key for key in everything if key[1].startswith("field ")),
        ),
        Draft(
            path=f"{root}/store.py",
            layer="storage",
            purpose="what all stores have in common",
            text=stores.store_module(design),
            serves=everything,
        ),
    ]
    for folder, doc in (("models", "What is kept."), ("stores", "Where it is kept.")):
        path, purpose = f"{root}/{folder}/__init__.py", f"marks the {folder} package"
        files.append(Draft(path=path, layer=INFRASTRUCTURE, purpose=purpose, text=package_init(doc)))
    if any(resource.formats for resource in design.resources):
        files.append(
            Draft(
                path=f"{root}/export.py",
                layer="storage",
                purpose="records as text for files",
                text=stores.export_module(design),
                serves=tuple(key for key in everything if key[1] == "export"),
            )
        )
    for resource in design.resources:
        files += [
            Draft(
                path=f"{root}/models/{resource.plural}.py",
                layer="domain",
                purpose=f"what {resource.nouns} are",
                text=models.entity_module(resource, design),
                serves=keys(resource),
            ),
            Draft(
                path=f"{root}/stores/{resource.plural}.py",
                layer="storage",
                purpose=f"keeps {resource.nouns}",
                text=stores.entity_store(resource, design),
                serves=keys(resource),
            ),
        ]
    files.append(
        Draft(
            path=f"{root}/database.py",
            layer="interface",
            purpose="all stores together",
            text=stores.database_module(design),
            serves=everything,
        )
    )
    return files
