"""Workflows: submit, list, show, cancel, resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from contracts.artifacts import Submission
from contracts.cloudevents import from_structured
from contracts.events import StageCompleted, StageRejected
from gateway import ids
from gateway.conditional import NOT_MODIFIED, IfNoneMatch, answer
from gateway.models import Accepted, Cancel, Drop, Drops, Page, Spent, Submit, Workflow, WorkflowDetail
from gateway.pages import Pages, lines
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State
from observability.telemetry import traceparent
from workers.kit import crash
from workers.kit.stores.drops import Controlled, DropRow, KeyConflict, NewWorkflow, WorkflowRow

router = APIRouter(prefix="/v1/workflows", tags=["workflows"])

WAITING = 500
"""Submissions at once: a second's worth of what one gateway takes; more would only wait longer."""


def busy() -> ProblemError:
    """More submissions came at once than can be written."""
    detail = "More submissions came at once than can be written; send this one again in a second."
    return ProblemError(503, "busy", "Too many submissions at once", detail, {"Retry-After": "1"})


def within(gateway: State, wished_s: float | None) -> float:
    """The seconds that a workflow may take: those that are wished, if the server allows so many."""
    most = gateway.settings.deadline_s
    if wished_s is not None and wished_s > most:
        detail = f"/body/deadline_s: is above the {most:g} seconds that this server allows"
        raise ProblemError(422, "invalid_request", "The request is not valid", detail)
    return most if wished_s is None else wished_s


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="The same key and body give the same workflow, however often sent; "
        "an answer that repeats an earlier one says `Idempotency-Replayed: true`.",
    ),
]


@router.post("", status_code=202, operation_id="submitWorkflow", responses=responses(400, 413, 422, 503))
async def submit(
    body: Submit, gateway: Gateway, response: Response, idempotency_key: IdempotencyKey = None
) -> Accepted:
    """Submit a prompt. Once answered, it is never lost; follow `events` for what becomes of it."""
    new = NewWorkflow(
        id=ids.new(),
        tenant=TENANT,
        submission=Submission(prompt=body.prompt, language=body.language),
        deadline_s=within(gateway, body.deadline_s),
        wished_s=body.deadline_s,
        budget=body.budget,
        idempotency_key=idempotency_key or "",
        traceparent=traceparent(),
    )
    try:
        with gateway.submissions.place():
            submitted = await gateway.reads.submit(new, most=gateway.settings.tenant_active)
    except KeyConflict:
        raise ProblemError(
            422,
            "idempotency_key_reused",
            "The key was used for another prompt",
            "Send a new Idempotency-Key with a new prompt.",
        ) from None
    crash.at("gateway", "after_submit_commit")
    gateway.publisher.soon(submitted.events)
    address = f"/v1/workflows/{submitted.id}"
    response.headers["Location"] = address
    if not submitted.created:
        response.headers["Idempotency-Replayed"] = "true"
    return Accepted(id=submitted.id, address=address, events=f"{address}/events")


@router.get("", operation_id="listWorkflows", response_model=Page, responses={**lines(Workflow), **responses(422, 503)})
async def list_workflows(
    gateway: Gateway,
    pages: Pages,
    cursor: Annotated[str, Query(pattern=f"^({ids.ULID_FORM})?$", description="`next` of the page before")] = "",
    state: Annotated[str, Query(pattern="^(active|completed|failed|cancelled|expired)?$")] = "",
) -> Response:
    """Your workflows, newest first."""

    async def read(before: str, limit: int) -> Sequence[WorkflowRow]:
        return await gateway.reads.workflows(TENANT, before=before, limit=limit, state=state)

    return await pages.pages(Page, read, Workflow.of, cursor)


@router.get(
    "/{workflow}",
    operation_id="getWorkflow",
    response_model=WorkflowDetail,
    responses={**NOT_MODIFIED, **responses(404, 503)},
)
async def show(workflow: str, gateway: Gateway, if_none_match: IfNoneMatch = "") -> Response:
    """One workflow with its stages."""
    row = await _known(gateway, workflow)
    drops, budget = await _drops(gateway, workflow), await _budget(gateway, workflow)
    forks = list(await gateway.reads.forks(TENANT, workflow))
    told = WorkflowDetail(**Workflow.of(row).model_dump(), drops=drops, budget=budget, forks=forks)
    return answer(told.model_dump_json().encode(), "application/json", if_none_match)


@router.get(
    "/{workflow}/drops",
    operation_id="listDrops",
    response_model=Drops,
    responses={**lines(Drop), **responses(404, 422, 503)},
)
async def list_drops(
    workflow: str,
    gateway: Gateway,
    pages: Pages,
    cursor: Annotated[str, Query(max_length=200, description="`next` of the page before")] = "",
) -> Response:
    """Every drop of a workflow, superseded ones too, oldest first."""
    await _known(gateway, workflow)
    drops = await _drops(gateway, workflow)
    places = {drop.id: number for number, drop in enumerate(drops, 1)}
    if cursor and cursor not in places:
        raise ProblemError(
            422, "invalid_request", "The request is not valid", "/query/cursor: no drop of this workflow"
        )

    async def read(after: str, limit: int) -> Sequence[Drop]:
        begin = places.get(after, 0)
        return drops[begin : begin + limit]

    return await pages.pages(Drops, read, lambda drop: drop, cursor)


@router.post("/{workflow}/cancel", operation_id="cancelWorkflow", responses=responses(404, 409, 422, 503))
async def cancel(workflow: str, gateway: Gateway, body: Cancel | None = None) -> Workflow:
    """End an active workflow. No stage begins after the answer; what is being worked on stops within seconds.

    One that was cancelled before stays as it is, which is no error.
    """
    reason = body.reason if body else ""
    done = await gateway.reads.cancel(TENANT, ids.checked(workflow), reason=reason)
    if done is None:
        raise ids.unknown(workflow)
    if done.done:
        gateway.publisher.soon(done.events)
        await gateway.publisher.cancelled(TENANT, workflow)
    elif done.workflow.state != "cancelled":
        raise ProblemError(409, "workflow_ended", "The workflow has ended", f"It {_ended(done.workflow)}.")
    return Workflow.of(done.workflow)


@router.post("/{workflow}/resume", operation_id="resumeWorkflow", responses=responses(404, 409, 503))
async def resume(workflow: str, gateway: Gateway) -> Workflow:
    """Let a failed workflow go on from the stage that failed; what was done before it is kept."""
    return Workflow.of((await resumed(gateway, ids.checked(workflow))).workflow)


async def resumed(gateway: State, workflow: str) -> Controlled:
    """The workflow, going on; raises the problem that says why it can't."""
    done = await gateway.reads.resume(TENANT, workflow, deadline_s=gateway.settings.deadline_s)
    if done is None:
        raise ids.unknown(workflow)
    if not done.done:
        said = "is active" if done.workflow.state == "active" else _ended(done.workflow)
        detail = f"It {said}; only a failed workflow can be resumed."
        raise ProblemError(409, "workflow_not_failed", "Nothing to resume", detail)
    gateway.publisher.soon(done.events)
    return done


async def _known(gateway: State, workflow: str) -> WorkflowRow:
    row = await gateway.reads.workflow(TENANT, ids.checked(workflow))
    if row is None:
        raise ids.unknown(workflow)
    return row


async def _budget(gateway: State, workflow: str) -> Spent:
    for found in await gateway.usage.budgets(TENANT, workflow=workflow):
        if found.scope == "workflow":
            return Spent(limit=found.allowed, spent=found.spent, held=found.held)
    return Spent()


def _ended(row: WorkflowRow) -> str:
    return f"{'was cancelled' if row.state == 'cancelled' else row.state} at {row.ended_at}"


async def _drops(gateway: Gateway, workflow: str) -> list[Drop]:
    """With what models did for them, and what was taken over: their events tell."""
    told = (from_structured(event.body).data for event in await gateway.reads.events(TENANT, workflow))
    news = {data.drop: data for data in told if isinstance(data, StageCompleted | StageRejected)}
    drops = [*await gateway.reads.drops(TENANT, workflow), *await gateway.foreign.drops(TENANT, workflow)]
    return [_drop(drop, news.get(drop.id)) for drop in sorted(drops, key=lambda drop: (drop.created_at, drop.id))]


def _drop(row: DropRow, told: StageCompleted | StageRejected | None) -> Drop:
    if isinstance(told, StageCompleted):
        return Drop.of(row, told.calls, told.reused, told.edited)
    return Drop.of(row, told.calls if told else ())
