"""What a workflow did when, from the stream alone; and all of it as one file."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from msgspec.structs import asdict
from pydantic import BaseModel, Field

from gateway import ids
from gateway.history import timeline as timelines
from gateway.history.read import HistoryDown
from gateway.models import Calls
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State
from workers.kit import exported
from workers.kit.capsule.archive import MAX_BYTES
from workers.kit.exported import BadExport, Exported
from workers.kit.stores.drops import ArtifactLost

router = APIRouter(prefix="/v1/workflows", tags=["history"])

QLX = "application/vnd.quantumlayer.qlx"


class Step(BaseModel):
    """One drop as its event tells it; times are seconds since the first event."""

    stage: str
    revision: int
    outcome: str = Field(description="completed, unmet, rejected or failed")
    ready_s: float = Field(description="When the last of its inputs was there")
    waited_s: float = Field(description="In a queue, or between attempts")
    work_s: float = Field(description="Of its last attempt")
    ended_s: float
    attempts: int
    reused: bool = Field(description="Taken over from another workflow, without any work")
    note: str
    sha256: str
    calls: list[Calls]


class Mark(BaseModel):
    """Something that happened to the workflow itself."""

    outcome: str
    at_s: float
    note: str


class Totals(BaseModel):
    """Sums over all steps; `cost` in US dollars. Of the `calls` the ledger answered `known`."""

    waited_s: float
    work_s: float
    retries: int
    repairs: int
    reused: int
    calls: int
    known: int
    tokens_in: int
    tokens_out: int
    cost: float


class Timeline(BaseModel):
    """A workflow's history."""

    workflow: str
    state: str
    began: str
    seconds: float
    steps: list[Step]
    marks: list[Mark]
    totals: Totals


@router.get("/{workflow}/timeline", operation_id="getTimeline", responses=responses(404, 503))
async def show(workflow: str, gateway: Gateway) -> Timeline:
    """What happened when, read from the stream alone: it needs no database."""
    try:
        events = await gateway.history.of(TENANT, ids.checked(workflow))
    except HistoryDown as error:
        raise ProblemError(503, "events_unavailable", "The stream can't be read now", str(error)) from error
    if not events:
        raise ids.unknown(workflow)
    told = await asyncio.to_thread(timelines.timeline, events)
    return Timeline(
        workflow=told.workflow,
        state=told.state,
        began=told.began,
        seconds=told.seconds,
        steps=[_step(step) for step in told.steps],
        marks=[Mark(**asdict(mark)) for mark in told.marks],
        totals=Totals(**asdict(told.totals)),
    )


def _step(step: timelines.Step) -> Step:
    return Step(**asdict(step) | {"calls": [Calls.of(call) for call in step.calls]})


_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {QLX: {"schema": {"type": "string", "format": "binary"}}}, "description": "The file"}
}


@router.get(
    "/{workflow}/export",
    operation_id="exportWorkflow",
    response_class=Response,
    responses={**_FILE, **responses(404, 409, 410, 503)},
)
async def export(workflow: str, gateway: Gateway) -> Response:
    """An ended workflow as one file: events, drops, artifacts and ledger. The same workflow, the same bytes."""
    found = await _gathered(gateway, ids.checked(workflow))
    try:
        body = await asyncio.to_thread(exported.write, found)
    except BadExport as error:
        raise ProblemError(409, "not_exportable", "It can't be exported", f"{error}.") from error
    headers = {"Content-Disposition": f'attachment; filename="{workflow}.qlx"'}
    return Response(body, media_type=QLX, headers=headers)


async def _gathered(gateway: State, workflow: str) -> Exported:
    row = await gateway.reads.workflow(TENANT, workflow)
    if row is None:
        raise ids.unknown(workflow)
    if row.state == "active":
        raise ProblemError(409, "workflow_active", "It has not ended", "Only an ended workflow can be exported.")
    drops = [*await gateway.reads.drops(TENANT, workflow), *await gateway.foreign.drops(TENANT, workflow)]
    refs = {drop.artifact.sha256: drop.artifact for drop in drops if drop.artifact is not None}
    if sum(ref.length for ref in refs.values()) > MAX_BYTES:  # before all of them are in memory
        raise ProblemError(409, "not_exportable", "It can't be exported", f"Its artifacts have over {MAX_BYTES} bytes.")
    try:
        bodies = {
            digest: b"".join([chunk async for chunk in gateway.artifacts.chunks(ref)]) for digest, ref in refs.items()
        }
        ledger = await gateway.recordings.export(TENANT, workflow)
    except ArtifactLost as error:
        raise ProblemError(410, "artifact_lost", "The bytes are gone or damaged", f"{error}.") from error
    events = await gateway.reads.events(TENANT, workflow)
    return Exported(
        workflow=row,
        events=tuple(event.body for event in events),
        drops=tuple(drops),
        artifacts=bodies,
        ledger=ledger,
    )
