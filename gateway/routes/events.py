"""The events of a workflow as Server-Sent Events, resumable by Last-Event-ID."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from contracts import cloudevents
from gateway import ids
from gateway.live import LiveDown, Seen, is_last
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State

router = APIRouter(prefix="/v1/workflows", tags=["events"])

RETRY_MS = 1000


@router.get(
    "/{workflow}/events",
    operation_id="followWorkflow",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "CloudEvents in JSON"},
        **responses(404, 503),
    },
)
async def follow(
    workflow: str,
    gateway: Gateway,
    last_event_id: Annotated[str, Header(max_length=64, description="Resume after this event")] = "",
) -> StreamingResponse:
    """What has happened, then what happens; the stream ends with the workflow."""
    if await gateway.reads.workflow(TENANT, ids.checked(workflow)) is None:
        raise ids.unknown(workflow)
    try:
        await gateway.live.ready()
    except LiveDown as error:
        raise ProblemError(503, "events_unavailable", "Events can't be followed now", str(error)) from error
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_frames(gateway, workflow, last_event_id), media_type="text/event-stream", headers=headers)


async def _frames(gateway: State, workflow: str, after: str) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MS
    try:
        async for seen in gateway.live.follow(TENANT, workflow, after):
            yield _frame(seen)
            if seen.kind == "ping":
                ending = await _missed_end(gateway, workflow)
                if ending:
                    yield ending
                    return
    except LiveDown:
        return  # the client comes back after `retry` with its Last-Event-ID


def _frame(seen: Seen) -> bytes:
    if seen.kind == "ping":
        return b": ping\n\n"
    if seen.kind == "progress":
        # Anyone may publish progress: a line break in it must not begin a frame of its own.
        return b"event: progress\ndata: %s\n\n" % b" ".join(seen.body.splitlines())
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (seen.position.encode(), seen.type.encode(), seen.body)


async def _missed_end(gateway: State, workflow: str) -> bytes:
    """The terminal event of a workflow that has ended, for a stream that was lost and does not tell of it."""
    row = await gateway.reads.workflow(TENANT, workflow)
    if row is None or row.state == "active":
        return b""
    for stored in reversed(await gateway.reads.events(TENANT, workflow)):
        event = cloudevents.from_structured(stored.body)
        if is_last(event.parts.stage, event.parts.outcome):
            return b"event: %s\ndata: %s\n\n" % (event.type.encode(), stored.body)
    return b""
