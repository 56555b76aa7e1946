"""Events as they happen, of one workflow or of everything: as Server-Sent Events, resumable by Last-Event-ID, or as
lines of JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from contracts import cloudevents
from gateway import ids
from gateway.following import End, EventStream, Following
from gateway.frames import Wanted, is_end
from gateway.live import LiveDown, Standing
from gateway.openapi import server_sent
from gateway.pages import NDJSON, wants_lines
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State

router = APIRouter(tags=["events"])

STREAMS, EACH = 2000, 1500
"""At once, in a process and of one tenant: each is an open connection."""
TYPES = 16
TYPE_FORM = r"^dev\.quantumlayer\.[a-z0-9_.]{0,120}\*?$"

_TOLD: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/event-stream": server_sent(),
            NDJSON: {
                "schema": {"type": "object", "description": "A CloudEvent, with its `position` in the stream"},
                "example": {"specversion": "1.0", "type": "dev.quantumlayer.workflow.completed.v1"},
            },
        },
        "description": "CloudEvents in JSON",
    }
}

Last = Annotated[str, Header(max_length=64, description="Resume after this event: its `id`, or its `position`")]
From = Annotated[
    int | None, Query(ge=1, lt=1 << 53, description="Begin at this one of the stream; Last-Event-ID goes before")
]
Follow = Annotated[bool, Query(description="Wait for what happens; else it ends with what has happened")]
Accept = Annotated[str, Header(include_in_schema=False)]


def full() -> ProblemError:
    """No place for another stream."""
    detail = f"{STREAMS} streams are open, the most that one gateway serves; come back in some seconds."
    return ProblemError(503, "too_many_streams", "Too many followers", detail, {"Retry-After": "5"})


def crowded() -> ProblemError:
    """No place for another stream of this tenant."""
    detail = f"{EACH} streams of yours are open, the most that one tenant may have; close some, or come back later."
    return ProblemError(
        429, "too_many_streams_of_yours", "Too many followers of one tenant", detail, {"Retry-After": "5"}
    )


@router.get(
    "/v1/workflows/{workflow}/events",
    operation_id="followWorkflow",
    response_class=Response,
    responses={
        **_TOLD,
        204: {"description": "It has ended and you were told so: do not come back"},
        **responses(404, 410, 422, 429, 503),
    },
)
async def follow(
    workflow: str,
    gateway: Gateway,
    last_event_id: Last = "",
    from_sequence: From = None,
    follow: Follow = True,
    accept: Accept = "",
) -> Response:
    """What has happened, then what happens; the stream ends with the workflow."""
    if await gateway.reads.workflow(TENANT, ids.checked(workflow)) is None:
        raise ids.unknown(workflow)
    standing = await _standing(gateway)
    after = _after(standing, last_event_id, from_sequence, 0)
    ends = partial(_end, gateway, workflow)
    end = await ends(last_event_id) if after else None
    if end is not None and last_event_id and 0 < end.seq <= after:
        return Response(status_code=204, media_type="text/event-stream")
    lines = wants_lines(accept)
    wanted = Wanted(workflow, progress=not lines)
    return await _stream(gateway, wanted, standing, after, lines=lines, wait=follow, ends=ends)


@router.get(
    "/v1/events",
    operation_id="followEvents",
    response_class=Response,
    responses={**_TOLD, **responses(404, 410, 422, 429, 503)},
)
async def follow_all(
    gateway: Gateway,
    last_event_id: Last = "",
    from_sequence: From = None,
    type: Annotated[
        list[Annotated[str, Query(pattern=TYPE_FORM)]],
        Query(max_length=TYPES, description="Only of these types; one that ends with * is the beginning of many"),
    ] = [],  # noqa: B006  FastAPI copies it
    workflow: Annotated[str, Query(description="Only of this workflow")] = "",
    follow: Follow = True,
    accept: Accept = "",
) -> Response:
    """Events of all workflows: those that happen from now on, or behind Last-Event-ID, or `from_sequence` on; without
    `follow` those that have happened."""
    if workflow:
        ids.checked(workflow)
    standing = await _standing(gateway)
    after = _after(standing, last_event_id, from_sequence, standing.last if follow else 0)
    wanted = Wanted(workflow, tuple(type))
    return await _stream(gateway, wanted, standing, after, lines=wants_lines(accept), wait=follow)


async def _standing(gateway: State) -> Standing:
    try:
        return await gateway.live.standing()
    except LiveDown as error:
        raise _unavailable(error) from error


def _after(standing: Standing, last_event_id: str, from_sequence: int | None, otherwise: int) -> int:
    if not last_event_id:
        return otherwise if from_sequence is None else from_sequence - 1
    place = standing.place(last_event_id)
    if standing.lost(place):
        detail = "The stream keeps events for some weeks, and some behind that one are gone. Begin again without it."
        raise ProblemError(410, "events_gone", "Some of the events are gone", detail)
    return place


async def _stream(
    gateway: State,
    wanted: Wanted,
    standing: Standing,
    after: int,
    *,
    lines: bool,
    wait: bool,
    ends: Callable[[str], Awaitable[End | None]] | None = None,
) -> EventStream:
    streams = gateway.streams
    with ExitStack() as place:
        place.enter_context(streams.place(TENANT))
        try:
            feed = await streams.feeds.of(TENANT, standing) if wait else None
            told = Following(streams.past, wanted, TENANT, standing, after, feed=feed, lines=lines, ends=ends)
            await told.join()
        except LiveDown as error:
            raise _unavailable(error) from error
        return EventStream(streams, told, place.pop_all(), lines=lines)


def _unavailable(error: LiveDown) -> ProblemError:
    return ProblemError(503, "events_unavailable", "Events can't be followed now", str(error), {"Retry-After": "2"})


async def _end(gateway: State, workflow: str, event: str) -> End | None:
    return await gateway.streams.ended(workflow, event, partial(_read_end, gateway, workflow))


async def _read_end(gateway: State, workflow: str) -> End | None:
    """How the workflow ended, None while it is active."""
    row = await gateway.reads.workflow(TENANT, workflow)
    if row is None or row.state == "active":
        return None
    events = await gateway.reads.events(TENANT, workflow)
    owed = not all(stored.seq for stored in events)
    for stored in reversed(events):
        event = cloudevents.from_structured(stored.body)
        if is_end(event.parts.stage, event.parts.outcome):
            return End(id=event.id, type=event.type, body=stored.body, seq=stored.seq, owed=owed)
    return None
