"""Subscriptions: durable pull consumers on NATS for other systems."""

from __future__ import annotations

from typing import Annotated, Self, TypeVar

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts import subscriptions as wire
from contracts.subjects import STREAM
from contracts.topology import LIFECYCLE, TOPOLOGY
from gateway import ids
from gateway.models import Sent, When
from gateway.pages import Short, lines
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway

router = APIRouter(prefix="/v1/subscriptions", tags=["events"])
_STATUS: dict[wire.Code, tuple[int, str]] = {
    "subscription_not_found": (404, "There is no such subscription"),
    "name_taken": (409, "The name is taken"),
    "too_many_subscriptions": (409, "Too many subscriptions"),
    "invalid_request": (422, "The request is not valid"),
    "events_unavailable": (503, "Events can't be followed now"),
}
T = TypeVar("T")
Name = Annotated[str, Path(pattern=f"^{wire.NAME}$", description="The subscription's name", examples=["billing"])]


class NewSubscription(Sent):
    """Where to begin: `start`, or one of `from_sequence` and `since`; and what to hear: everything when left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "billing", "start": "all", "stages": ["packaging"]}]}
    )

    name: str = Field(pattern=f"^{wire.NAME}$")
    start: wire.Start = "all"
    from_sequence: int | None = Field(default=None, ge=1, lt=1 << 53, description="Of the stream, from this one on")
    since: When | None = Field(default=None, description="Without a zone: UTC")
    workflow: str = Field(default="", pattern=f"^({ids.ULID_FORM})?$", description="Only this workflow's")
    stages: list[str] = Field(default=[], max_length=32, description="Only these stages'; `workflow`: the lifecycle")
    ordered: bool = Field(default=False, description="Nothing comes before the last is acknowledged")
    ack_wait: int = Field(default=30, ge=1, le=3600, description="Seconds, after which what was not comes again")

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if (self.start != "all") + (self.from_sequence is not None) + (self.since is not None) > 1:
            raise ValueError("give only one of start, from_sequence and since")
        if unknown := [stage for stage in self.stages if stage not in TOPOLOGY.stages and stage != LIFECYCLE]:
            raise ValueError(f"no such stage: {unknown[0]!r}"[:120])
        return self


class Subscription(BaseModel):
    """One durable consumer of the stream. `waiting` events were not delivered yet, `unacknowledged` ones were."""

    name: str
    stream: str
    durable: str
    filters: list[str]
    created: str
    waiting: int
    unacknowledged: int
    acknowledged: int = Field(description="The sequence up to which everything is acknowledged")

    @classmethod
    def of(cls, found: wire.Subscription) -> Subscription:
        """As the keeper told it."""
        return cls(
            name=found.name,
            stream=STREAM,
            durable=found.durable,
            filters=list(found.filters),
            created=found.created,
            waiting=found.waiting,
            unacknowledged=found.unacknowledged,
            acknowledged=found.acknowledged,
        )


class Subscriptions(BaseModel):
    """All of them, by name."""

    items: list[Subscription]


@router.post("", status_code=201, operation_id="subscribe", responses=responses(409, 422, 503))
async def subscribe(body: NewSubscription, gateway: Gateway) -> Subscription:
    """Make a durable pull consumer, or answer with the one that was made so before. It stays until it is deleted."""
    asked = wire.Subscribe(
        tenant=TENANT,
        name=body.name,
        start=body.start,
        sequence=body.from_sequence or 0,
        since=body.since,
        workflow=body.workflow,
        stages=tuple(body.stages),
        ordered=body.ordered,
        ack_wait_s=body.ack_wait,
    )
    return Subscription.of(_done(await gateway.keeping.subscribe(asked)))


@router.get(
    "",
    operation_id="listSubscriptions",
    response_model=Subscriptions,
    responses={**lines(Subscription), **responses(503)},
)
async def listed(gateway: Gateway, pages: Short) -> Response:
    """Every subscription, with how far it is."""
    found = _done(await gateway.keeping.all(TENANT))
    return pages.whole(Subscriptions(items=[Subscription.of(one) for one in found]))


@router.delete("/{name}", status_code=204, operation_id="unsubscribe", responses=responses(404, 422, 503))
async def unsubscribe(name: Name, gateway: Gateway) -> None:
    """Delete it, and with it how far its reader was."""
    _done(await gateway.keeping.unsubscribe(wire.Unsubscribe(tenant=TENANT, name=name)))


def _done(answer: T | wire.Refused) -> T:
    if isinstance(answer, wire.Refused):
        status, title = _STATUS[answer.code]
        raise ProblemError(status, answer.code, title, answer.reason)
    return answer
