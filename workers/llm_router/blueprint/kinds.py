"""The kinds of package: which part of the blueprint writes which."""

from __future__ import annotations

from types import ModuleType

from contracts.artifacts import CliCommand, Route

from . import project
from .design import Design
from .drafts import Draft, TestDraft


def drafts(plan: Design) -> tuple[Draft, ...]:
    """Every file but tests and documents; pyproject first."""
    settings = Draft(
        path="pyproject.toml",
        layer="infrastructure",
        purpose="how the package is built, tested and started",
        text=project.pyproject(plan),
    )
    return (settings, *_kind(plan).drafts(plan))


def tests(plan: Design) -> tuple[TestDraft, ...]:
    found: tuple[TestDraft, ...] = _kind(plan).tests(plan)
    return found


def routes(plan: Design) -> tuple[Route, ...]:
    found: tuple[Route, ...] = _kind(plan).routes(plan) if plan.kind == "rest_api" else ()
    return found


def commands(plan: Design) -> tuple[CliCommand, ...]:
    found: tuple[CliCommand, ...] = _kind(plan).usage_lines(plan) if plan.kind == "cli" else ()
    return found


def _kind(plan: Design) -> ModuleType:
    """Imported when asked for: a call writes one kind."""
    match plan.kind:
        case "rest_api":
            from . import rest_api

            return rest_api
        case "cli":
            from . import cli

            return cli
        case "library":
            from . import library

            return library
