"""The routes of a REST API, as the contract lists them."""

from __future__ import annotations

from contracts.artifacts import Route
from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.text import literal

from . import calculations


def routes(design: Design) -> tuple[Route, ...]:
    found = [Route(method="GET", path="/health", summary="Tell that the service is up", status=200)]
    for resource in design.resources:
        found += _of_entity(resource)
    return (*found, *calculations.routes(design))


def _of_entity(resource: Resource) -> list[Route]:
    all_, one = f"/{resource.segment}", f"/{resource.segment}/{{record_id}}"
    a_noun = names.article(resource.noun)
    found = [
        Route(method="POST", path=all_, summary=f"Create {a_noun}", status=201),
        Route(method="GET", path=all_, summary=f"List {resource.nouns}{_narrowed(resource)}", status=200),
    ]
    found += [
        Route(method="GET", path=f"{all_}/export.{name}", summary=f"All {resource.nouns} as {name.upper()}", status=200)
        for name in resource.formats
    ]
    found.append(Route(method="GET", path=one, summary=f"Read {a_noun}", status=200))
    if resource.updates and resource.given:
        found.append(Route(method="PATCH", path=one, summary=f"Change some fields of {a_noun}", status=200))
    if resource.deletes:
        found.append(Route(method="DELETE", path=one, summary=f"Delete {a_noun}", status=204))
    found += [
        Route(
            method="POST",
            path=f"{one}/{move.verb.replace('_', '-')}",
            summary=f"Set {move.field} to {literal(move.to)}",
            status=200,
        )
        for move in resource.transitions
    ]
    return found


def _narrowed(resource: Resource) -> str:
    parameters = [field.name for field in resource.filters] + (["q"] if resource.searches else [])
    return f", narrowed by {names.listing(parameters)}" if parameters else ""
