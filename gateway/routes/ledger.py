"""A workflow's ledger as a file: every answer that it used, so that a recorded run needs no provider."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from gateway import ids
from gateway.asked import Imported
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway
from workers.kit.stores import recording
from workers.kit.stores.calls import AnswerTooLong
from workers.kit.stores.drops import ArtifactLost
from workers.kit.stores.recording import BadRecording

router = APIRouter(tags=["ledger"])

MEDIA_TYPE = "application/x-ndjson"


@router.get(
    "/v1/workflows/{workflow}/ledger",
    operation_id="exportLedger",
    response_class=Response,
    responses={
        200: {
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
            "description": "The same ledger, the same bytes",
        },
        **responses(404, 409, 503),
    },
)
async def export(workflow: str, gateway: Gateway) -> Response:
    """Every question and answer that the workflow used, as lines of JSON."""
    if await gateway.reads.workflow(TENANT, ids.checked(workflow)) is None:
        raise ids.unknown(workflow)
    try:
        found = await gateway.recordings.export(TENANT, workflow)
        body = await asyncio.to_thread(recording.write, workflow, found.entries)
    except (ArtifactLost, BadRecording) as error:
        raise ProblemError(409, "ledger_broken", "The ledger can't be exported", f"{error}.") from error
    headers = {"Content-Disposition": f'attachment; filename="{workflow}.ledger.jsonl"'}
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


@router.post(
    "/v1/ledger",
    operation_id="importLedger",
    responses=responses(400, 413, 422, 503),
    openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def bring_in(request: Request, gateway: Gateway) -> Imported:
    """Keep what your ledger does not hold yet of an exported one; all of it, or nothing. What is there stays."""
    body = await request.body()
    try:
        found = await asyncio.to_thread(recording.read, body)
        new = await gateway.recordings.bring_in(TENANT, found)
    except (BadRecording, AnswerTooLong) as error:
        raise ProblemError(422, "bad_recording", "The file can't be used", f"{error}.") from error
    return Imported(workflow=found.workflow, entries=len(found.entries), new=new)
