"""Stages: what waits for each, and pausing one for everybody while something is mended."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel, Field, field_validator

from contracts.topology import TOPOLOGY
from gateway.models import Sent, readable
from gateway.pages import Short, lines
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway
from gateway.state import State as Held
from workers.kit.stores.pauses import Busy, Pause

router = APIRouter(prefix="/v1/stages", tags=["stages"])

Name = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,62}$", description="A stage's name")]


class Paused(BaseModel):
    """Why a stage takes no new work."""

    since: str
    reason: str

    @classmethod
    def of(cls, pause: Pause) -> Self:
        """As the store has it."""
        return cls(since=pause.created_at, reason=pause.reason)


class Stage(BaseModel):
    """A stage of the pipeline."""

    name: str
    needs: list[str] = Field(description="The stages whose results it waits for; none: the submission")
    paused: Paused | None = None
    pending: int | None = Field(None, description="Messages that nobody has taken yet, of all tenants; null: unknown")
    working: int = Field(0, description="Your drops that are worked at now")
    again: int = Field(0, description="Your drops that wait to be tried again")


class Stages(BaseModel):
    """All of them, in the pipeline's order."""

    items: list[Stage]


class Why(Sent):
    """What the pause is for."""

    reason: str = Field("", max_length=500, examples=["The sandbox's machine is being replaced."])

    @field_validator("reason")
    @classmethod
    def _readable(cls, reason: str) -> str:
        return readable(reason)


@router.get("", operation_id="listStages", response_model=Stages, responses={**lines(Stage), **responses(503)})
async def list_stages(gateway: Gateway, pages: Short) -> Response:
    """Every stage with what waits for it."""
    names = list(TOPOLOGY.stages)
    paused, busy = await gateway.pauses.all(), await gateway.pauses.busy(TENANT, names)
    pending = await gateway.live.queued(names)
    shown = [_shown(name, paused.get(name), busy.get(name, Busy()), pending.get(name)) for name in names]
    return pages.whole(Stages(items=shown))


@router.post("/{stage}/pause", operation_id="pauseStage", responses=responses(404, 422, 503))
async def pause(stage: Name, gateway: Gateway, body: Annotated[Why | None, Body()] = None) -> Stage:
    """For every tenant: within two seconds no worker takes work for it. What was begun is finished; the rest waits, and
    only deadlines go on."""
    _known(stage)
    await gateway.pauses.pause(stage, body.reason if body else "")
    return await _told(gateway, stage)


@router.post("/{stage}/resume", operation_id="resumeStage", responses=responses(404, 422, 503))
async def go_on(stage: Name, gateway: Gateway) -> Stage:
    """Let it take work again; one that was not paused stays as it is."""
    _known(stage)
    await gateway.pauses.go_on(stage)
    return await _told(gateway, stage)


async def _told(gateway: Held, stage: str) -> Stage:
    await gateway.publisher.pauses_changed()
    paused, busy = await gateway.pauses.all(), await gateway.pauses.busy(TENANT, [stage])
    pending = await gateway.live.queued([stage])
    return _shown(stage, paused.get(stage), busy.get(stage, Busy()), pending.get(stage))


def _shown(name: str, pause: Pause | None, busy: Busy, pending: int | None) -> Stage:
    return Stage(
        name=name,
        needs=list(TOPOLOGY[name].needs),
        paused=Paused.of(pause) if pause else None,
        pending=pending,
        working=busy.working,
        again=busy.again,
    )


def _known(stage: str) -> None:
    if stage not in TOPOLOGY.stages:
        detail = f"There is no stage {stage}; GET /v1/stages lists them."
        raise ProblemError(404, "stage_not_found", "No such stage", detail)
