"""Stages of others: their artifacts and drops come in here, and the gateway tells their events.

A drop of theirs changes nothing in its workflow: no stage of the pipeline wakes on it, waits for it or reads it. So one
is taken after the workflow's end too.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import Field, field_validator, model_validator

from contracts.events import Input, Ref
from gateway import ids
from gateway.limits import MAX_UPLOAD, Room
from gateway.models import Artifact, Drop, Sent
from gateway.problems import ProblemError, responses
from gateway.routes.artifacts import Sha256
from gateway.state import TENANT, Gateway, State
from observability.telemetry import traceparent
from workers.kit.stores.drops import ArtifactLost
from workers.kit.stores.foreign import STAGE_FORM, ForeignDrop, OtherDrop, TooMany
from workers.kit.stores.keys import artifact_key

router = APIRouter(prefix="/v1", tags=["stages of others"])

MAX_TEXT = 256 * 1024
UPLOADS = 8
"""At once: each is held whole in memory until its bytes are checked."""
MEDIA_TYPE = "[a-z]{1,40}/[a-z0-9][a-z0-9.+-]{0,100}"
_SURROGATE = re.compile("[\ud800-\udfff]")


def busy() -> ProblemError:
    """More uploads came at once than are held in memory."""
    detail = "More artifacts came at once than can be checked; send this one again in a second."
    return ProblemError(503, "busy", "Too many uploads at once", detail, {"Retry-After": "1"})


class Text(Sent):
    """A small artifact, sent with its drop."""

    text: str = Field(max_length=MAX_TEXT, examples=['{"checked": 12, "missing": []}'])
    media_type: str = Field("text/plain", pattern=f"^{MEDIA_TYPE}$", examples=["application/json"])

    @field_validator("text")
    @classmethod
    def _whole(cls, text: str) -> str:
        if _SURROGATE.search(text):
            raise ValueError("holds half a character (a lone surrogate)")
        return text


class Uploaded(Sent):
    """An artifact that was sent before, by `PUT /v1/artifacts/{sha256}`."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0, le=MAX_UPLOAD)
    media_type: str = Field("application/octet-stream", pattern=f"^{MEDIA_TYPE}$")


class MadeFrom(Sent):
    """An artifact that the work read."""

    stage: str = Field(pattern="^[a-z][a-z0-9_]{0,63}$", examples=["code_generation"])
    revision: int = Field(ge=1, le=999_999_999)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class NewDrop(Sent):
    """What a stage of your own did at one revision: an artifact, or an error."""

    stage: str = Field(
        pattern=f"^{STAGE_FORM}$",
        description="Begins with x_: no stage of the pipeline does.",
        examples=["x_licence_header_check"],
    )
    revision: int = Field(ge=1, le=999_999_999, description="Of the event that woke it")
    outcome: Literal["completed", "failed"] = "completed"
    artifact: Text | Uploaded | None = Field(None, description="What was made; none for a failure")
    inputs: list[MadeFrom] = Field([], max_length=50)
    error: str = Field("", max_length=2000, description="Why it failed")
    attempts: int = Field(1, ge=1, le=1_000_000)
    work_ms: int = Field(0, ge=0, le=10**12)

    @field_validator("error")
    @classmethod
    def _whole(cls, error: str) -> str:
        if _SURROGATE.search(error):
            raise ValueError("holds half a character (a lone surrogate)")
        return error

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.outcome == "completed") != (self.artifact is not None):
            raise ValueError("a completed drop has an artifact, and a failed one has none")
        if (self.outcome == "failed") != bool(self.error.strip()):
            raise ValueError("a failed drop says why in `error`, and a completed one has none")
        return self


@router.put(
    "/artifacts/{sha256}",
    operation_id="putArtifact",
    responses=responses(413, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def put(sha256: Sha256, request: Request, gateway: Gateway) -> Artifact:
    """Keep the bytes with this sha256; sending them again is harmless.

    What no drop names within a day may be deleted.
    """
    with gateway.uploads.place():
        body = await request.body()
        if hashlib.sha256(body).hexdigest() != sha256:
            detail = f"The sha256 of the {len(body)} bytes that came is another one."
            raise ProblemError(422, "sha256_mismatch", "Not the bytes of this address", detail)
        await gateway.artifacts.put(TENANT, body, key=artifact_key(TENANT, sha256))
    media_type = "application/octet-stream"
    return Artifact(sha256=sha256, size=len(body), media_type=media_type, address=f"/v1/artifacts/{sha256}")


@router.post(
    "/workflows/{workflow}/drops",
    status_code=201,
    operation_id="addDrop",
    responses={
        200: {"model": Drop, "description": "This very drop is there already"},
        **responses(400, 404, 409, 413, 422, 503),
    },
)
async def add(workflow: str, body: NewDrop, gateway: Gateway, response: Response) -> Drop:
    """Add a drop of a stage of your own, and have its event told: once, however often it is sent.

    A stage has one drop a revision. The first stands; another one is answered with 409.
    """
    if await gateway.reads.workflow(TENANT, ids.checked(workflow)) is None:
        raise ids.unknown(workflow)
    drop = ForeignDrop(
        tenant=TENANT,
        workflow=workflow,
        stage=body.stage,
        revision=body.revision,
        state=body.outcome,
        artifact=await _stored(gateway, body.artifact),
        media_type=body.artifact.media_type if body.artifact else "",
        inputs=tuple(Input(stage=i.stage, revision=i.revision, sha256=i.sha256) for i in body.inputs),
        error=body.error,
        attempts=body.attempts,
        work_ms=body.work_ms,
        traceparent=traceparent(),
    )
    try:
        added = await gateway.foreign.add(drop, gateway.artifacts.held)
    except ArtifactLost:  # deleted just now, having lain here for a day without a drop
        raise missing(drop.artifact) from None
    except OtherDrop as error:
        detail = f"{error}: the first one stands."
        raise ProblemError(409, "drop_exists", "There is another drop", detail) from None
    except TooMany as error:
        raise ProblemError(409, "too_many_drops", "No more drops", f"{error}.") from None
    if added is None:
        raise ids.unknown(workflow)
    gateway.publisher.soon(added.events)
    response.headers["Location"] = f"/v1/workflows/{workflow}/drops"
    if not added.created:
        response.status_code = 200
    return Drop.of(added.drop)


async def _stored(gateway: State, artifact: Text | Uploaded | None) -> Ref | None:
    """Where the artifact lies, at its own sha256: its bytes are there and are the right ones."""
    if artifact is None:
        return None
    if isinstance(artifact, Text):
        body = artifact.text.encode()
        return await gateway.artifacts.put(TENANT, body, key=artifact_key(TENANT, hashlib.sha256(body).hexdigest()))
    ref = Ref(key=artifact_key(TENANT, artifact.sha256), offset=0, length=artifact.size, sha256=artifact.sha256)
    try:
        async for _ in gateway.artifacts.chunks(ref):
            pass
    except ArtifactLost:
        raise missing(ref) from None
    return ref


def missing(ref: Ref | None) -> ProblemError:
    """The bytes have to be sent first, or again."""
    detail = f"Send its {ref.length} bytes first: PUT /v1/artifacts/{ref.sha256}" if ref else ""
    return ProblemError(422, "artifact_missing", "The artifact is not here", detail)


def uploads() -> Room:
    """The places for uploads of one gateway."""
    return Room(UPLOADS, busy)
