"""The events of a workflow as Server-Sent Events, resumable by Last-Event-ID."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from contracts import cloudevents
from gateway import ids
from gateway.live import LiveDown, Seen, is_terminal
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State
from workers.kit.stores.drops import StoreDown

router = APIRouter(prefix="/v1/workflows", tags=["events"])
_log = structlog.get_logger()

RETRY_MS = 1000
STREAMS = 2000
"""At once, a process: each is a consumer of the stream and an open connection."""
STALL_S = 30.0
"""Until a client that reads nothing is cut off; it comes back with its Last-Event-ID."""


def full() -> ProblemError:
    """No place for another stream."""
    detail = f"{STREAMS} streams are open, the most that one gateway serves; come back in some seconds."
    return ProblemError(503, "too_many_streams", "Too many followers", detail, {"Retry-After": "5"})


class EventStream(StreamingResponse):
    """Holds its place until it has ended, and ends when the client takes nothing for `STALL_S` seconds."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None], place: ExitStack) -> None:
        super().__init__(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._frames = frames
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        async def in_time(message: Message) -> None:
            async with asyncio.timeout(STALL_S):
                await send(message)

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            _log.warning("follower_stalled")
        finally:
            await self._frames.aclose()


@router.get(
    "/{workflow}/events",
    operation_id="followWorkflow",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "CloudEvents in JSON"},
        **responses(404, 422, 503),
    },
)
async def follow(
    workflow: str,
    gateway: Gateway,
    last_event_id: Annotated[str, Header(max_length=64, description="Resume after this event")] = "",
    from_sequence: Annotated[
        int | None, Query(ge=1, lt=1 << 53, description="Begin at this one of the stream; Last-Event-ID goes before")
    ] = None,
) -> StreamingResponse:
    """What has happened, then what happens; the stream ends with the workflow."""
    if await gateway.reads.workflow(TENANT, ids.checked(workflow)) is None:
        raise ids.unknown(workflow)
    with ExitStack() as place:
        place.enter_context(gateway.streams.place())
        try:
            await gateway.live.ready()
            if from_sequence is not None and not last_event_id:
                last_event_id = await gateway.live.before(from_sequence)
        except LiveDown as error:
            raise ProblemError(503, "events_unavailable", "Events can't be followed now", str(error)) from error
        return EventStream(_frames(gateway, workflow, last_event_id), place.pop_all())


async def _frames(gateway: State, workflow: str, after: str) -> AsyncGenerator[bytes, None]:
    yield b"retry: %d\n\n" % RETRY_MS
    try:
        async with aclosing(gateway.live.follow(TENANT, workflow, after)) as told:
            async for seen in told:
                yield _frame(seen)
                if seen.terminal or seen.kind == "ping":
                    end = await _end(gateway, workflow)
                    if end is not None and seen.kind == "ping":
                        yield _frame(end)
                    if end is not None and seen.id in {"", end.id}:
                        return
    except (LiveDown, StoreDown):
        return  # the client comes back after `retry` with its Last-Event-ID


def _frame(seen: Seen) -> bytes:
    if seen.kind == "ping":
        return b": ping\n\n"
    if seen.kind == "lag":
        return b"event: lag\ndata: too slow: events were left out here; come back with the last id\n\n"
    if seen.kind == "progress":
        # Anyone may publish progress: a line break in it must not begin a frame of its own.
        return b"event: progress\ndata: %s\n\n" % b" ".join(seen.body.splitlines())
    place = b"id: %s\n" % seen.position.encode() if seen.position else b""
    return b"%sevent: %s\ndata: %s\n\n" % (place, seen.type.encode(), seen.body)


async def _end(gateway: State, workflow: str) -> Seen | None:
    """How the workflow ended, None while it is active: one that failed may have been resumed since, and a stream that
    was lost doesn't tell of it."""
    row = await gateway.reads.workflow(TENANT, workflow)
    if row is None or row.state == "active":
        return None
    for stored in reversed(await gateway.reads.events(TENANT, workflow)):
        event = cloudevents.from_structured(stored.body)
        if is_terminal(event.parts.stage, event.parts.outcome):
            return Seen(kind="event", id=event.id, type=event.type, body=stored.body)
    return None
