"""Workflows: submit, list, show."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from contracts.artifacts import Submission
from gateway import ids
from gateway.models import Accepted, Drop, Drops, Page, Submit, Workflow, WorkflowDetail
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway
from observability.telemetry import traceparent
from workers.kit.stores.drops import KeyConflict, NewWorkflow

router = APIRouter(prefix="/v1/workflows", tags=["workflows"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=255, description="The same key and body give the same workflow, however often sent."
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
        deadline_s=gateway.settings.deadline_s,
        idempotency_key=idempotency_key or "",
        traceparent=traceparent(),
    )
    try:
        submitted = await gateway.reads.submit(new)
    except KeyConflict:
        raise ProblemError(
            422,
            "idempotency_key_reused",
            "The key was used for another prompt",
            "Send a new Idempotency-Key with a new prompt.",
        ) from None
    await gateway.publisher.publish(submitted.events)
    address = f"/v1/workflows/{submitted.id}"
    response.headers["Location"] = address
    return Accepted(id=submitted.id, address=address, events=f"{address}/events")


@router.get("", operation_id="listWorkflows", responses=responses(422, 503))
async def list_workflows(
    gateway: Gateway,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, Query(pattern=f"^({ids.ULID_FORM})?$", description="`next` of the page before")] = "",
    state: Annotated[str, Query(pattern="^(active|completed|failed|cancelled|expired)?$")] = "",
) -> Page:
    """Your workflows, newest first."""
    rows = await gateway.reads.workflows(TENANT, before=cursor, limit=limit + 1, state=state)
    following = rows[limit - 1].id if len(rows) > limit else None
    if following:
        link = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{link.path}?{link.query}>; rel="next"'
    return Page(items=[Workflow.of(row) for row in rows[:limit]], next=following)


@router.get("/{workflow}", operation_id="getWorkflow", responses=responses(404, 503))
async def show(workflow: str, gateway: Gateway) -> WorkflowDetail:
    """One workflow with its stages."""
    row = await gateway.reads.workflow(TENANT, ids.checked(workflow))
    if row is None:
        raise ids.unknown(workflow)
    drops = [Drop.of(drop) for drop in await gateway.reads.drops(TENANT, workflow)]
    return WorkflowDetail(**Workflow.of(row).model_dump(), drops=drops)


@router.get("/{workflow}/drops", operation_id="listDrops", responses=responses(404, 503))
async def list_drops(workflow: str, gateway: Gateway) -> Drops:
    """Every drop of a workflow, superseded ones too."""
    if await gateway.reads.workflow(TENANT, ids.checked(workflow)) is None:
        raise ids.unknown(workflow)
    return Drops(items=[Drop.of(drop) for drop in await gateway.reads.drops(TENANT, workflow)])
