"""What is said on the bus, for programs: the AsyncAPI document and a JSON Schema for each event and artifact."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from fastapi.responses import Response

from gateway.conditional import NOT_MODIFIED, IfNoneMatch, answer
from gateway.problems import ProblemError, responses

router = APIRouter(tags=["documents"])
SCHEMA = "application/schema+json"
_CACHED = "public, max-age=3600"


@router.get(
    "/asyncapi.json",
    operation_id="getAsyncApi",
    response_class=Response,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "AsyncAPI 3.1"},
        **NOT_MODIFIED,
    },
)
async def asyncapi(if_none_match: IfNoneMatch = "") -> Response:
    """The events' subjects, headers and bodies."""
    return answer(_documents()["asyncapi.json"], "application/json", if_none_match, _CACHED)


@router.get(
    "/schemas/{family}/{name}",
    operation_id="getSchema",
    response_class=Response,
    responses={
        200: {"content": {SCHEMA: {"schema": {"type": "object"}}}, "description": "JSON Schema 2020-12"},
        **NOT_MODIFIED,
        **responses(404, 422),
    },
)
async def schema(
    family: Literal["events", "artifacts"],
    name: Annotated[str, Path(pattern=r"^\w{1,64}\.v[1-9][0-9]?\.json$", examples=["StageCompleted.v1.json"])],
    if_none_match: IfNoneMatch = "",
) -> Response:
    """The shape of an event's body, or of an artifact."""
    found = _documents().get(f"{family}/{name}")
    if found is None:
        detail = f"No schema has the name {family}/{name}; /asyncapi.json names those of the events."
        raise ProblemError(404, "schema_not_found", "There is no such schema", detail)
    return answer(found, SCHEMA, if_none_match, _CACHED)


@cache
def _documents() -> dict[str, bytes]:
    from contracts.generate import json_documents

    return json_documents()
