"""What models took, and the limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from gateway import ids
from gateway.asked import Budget, Budgets, Month, Sum, Usage
from gateway.models import When
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway
from workers.kit.stores.usage import By

router = APIRouter(prefix="/v1/usage", tags=["usage"])


@router.get("", operation_id="getUsage", responses=responses(422, 503))
async def usage(
    gateway: Gateway,
    by: Annotated[list[By], Query(min_length=1, max_length=4, description="Group by these")] = ["model"],  # noqa: B006  FastAPI copies it
    workflow: Annotated[str, Query(pattern=f"^({ids.ULID_FORM})?$", description="Only this workflow's")] = "",
    since: Annotated[When | None, Query(description="Only calls from then on; without a zone: UTC")] = None,
) -> Usage:
    """Tokens and cost of your calls, summed up, the dearest first; and what is spent and held of your limits."""
    if len(set(by)) < len(by):
        raise ProblemError(422, "invalid_request", "The request is not valid", "/query/by: names something twice")
    since = utc(since) if since else None
    totals = await gateway.usage.totals(TENANT, by=by, workflow=workflow, since=since)
    limits = await gateway.usage.budgets(TENANT, workflow=workflow)
    return Usage(items=[Sum.of(total) for total in totals], budgets=[Budget.of(limit) for limit in limits])


def utc(given: datetime) -> datetime:
    """`since` of a query."""
    try:
        return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except OverflowError:
        detail = "/query/since: lies at the end of time"
        raise ProblemError(422, "invalid_request", "The request is not valid", detail) from None


@router.put("/month", operation_id="limitMonth", responses=responses(403, 422, 503))
async def limit_month(body: Month, gateway: Gateway) -> Budgets:
    """What models may take from you each month; a call that would cross it is answered by the built-in model."""
    if not await gateway.usage.limit_month(TENANT, body.limit):
        detail = "This server has several tenants: an operator sets their limits."
        raise ProblemError(403, "not_yours", "The limit is not yours to set", detail)
    return Budgets(budgets=[Budget.of(limit) for limit in await gateway.usage.budgets(TENANT)])
