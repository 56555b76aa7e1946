"""Webhooks over HTTP: what goes in and out, and which addresses and events may be asked for."""

from __future__ import annotations

import re
from typing import Literal, Self

import httpx
import msgspec
from pydantic import BaseModel, Field, field_validator

from contracts.topology import LIFECYCLE, TOPOLOGY
from gateway.models import Sent
from gateway.problems import ProblemError
from workers.kit.addresses import public
from workers.kit.stores import webhooks as stored

State = Literal["waiting", "delivered", "failed"]
OUTCOMES = {
    "workflow": ("submitted", "completed", "failed", "cancelled", "expired", "resumed", "*"),
    "": ("completed", "rejected", "failed", "*"),
}
_KIND = re.compile(r"([a-z][a-z0-9_]{0,62}|\*)\.([a-z]{1,20}|\*)")
_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*")


class Add(Sent):
    """An address and what it wants to hear of."""

    url: str = Field(max_length=2000, description="https, at a public address.", examples=["https://example.com/hook"])
    types: list[str] = Field(
        default=["workflow.*"],
        min_length=1,
        max_length=50,
        description="Each <stage>.<outcome>, or workflow.<outcome>; * for any in either place.",
        examples=[["workflow.completed", "workflow.failed"]],
    )

    @field_validator("types")
    @classmethod
    def _known(cls, types: list[str]) -> list[str]:
        for kind in types:
            parts = _KIND.fullmatch(kind)
            if parts is None or not _may_be(*parts.groups()):
                said = f"{kind[:80]!r} is no kind of event: <stage>.<outcome>, as workflow.completed or *.failed"
                raise ValueError(said)
        return sorted(set(types))


def _may_be(stage: str, outcome: str) -> bool:
    if stage == "*":
        return any(outcome in known for known in OUTCOMES.values())
    there = stage == LIFECYCLE or stage in TOPOLOGY.stages or stage.startswith("x_")
    return there and outcome in OUTCOMES.get(stage, OUTCOMES[""])


def checked_url(text: str, *, private: bool) -> str:
    """The address in its normal form. Raises `ProblemError` for one that nothing could be delivered to: what a name
    stands for is looked at again before each delivery."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise _refused(str(error)) from error
    if url.scheme != "https" and not (private and url.scheme == "http"):
        raise _refused("it must begin with https://")
    if url.port is not None and not 0 < url.port < 65536:
        raise _refused(f"{url.port} is no port")
    if not url.host or url.userinfo or url.fragment:
        raise _refused("it needs a host, and must hold no user, password or fragment")
    host = url.host.lower()
    named = not _ADDRESS.fullmatch(host)
    if not private and (host == "localhost" or host.endswith(".localhost") or not (named or public(host))):
        raise _refused(f"{host} is no public address")
    return str(url)


def _refused(why: str) -> ProblemError:
    return ProblemError(422, "webhook_address", "Nothing can be delivered there", f"The address can't be used: {why}.")


class Hook(BaseModel):
    """A webhook."""

    id: str
    url: str
    types: list[str]
    created_at: str
    disabled_at: str | None = Field(None, description="Nothing is delivered since then")
    disabled_reason: str | None = None

    @classmethod
    def of(cls, hook: stored.Webhook) -> Self:
        """As the store has it."""
        shown = msgspec.structs.asdict(hook) | {"types": list(hook.types)}
        return cls(**shown | {name: shown[name] or None for name in ("disabled_at", "disabled_reason")})


class Added(Hook):
    """A webhook, with the secret by which its receiver knows who calls."""

    secret: str = Field(description="whsec_ and base64, as Standard Webhooks libraries take it. Told here only.")


class Hooks(BaseModel):
    """All of them."""

    items: list[Hook]


KEEP_HOURS = 24.0


class Rotate(Sent):
    """How the old secret ends."""

    keep_hours: float = Field(KEEP_HOURS, ge=0, le=720, description="The old secret signs too for so long.")


class Rotated(BaseModel):
    """The new secret."""

    secret: str = Field(description="whsec_ and base64. Told here only.")


class Delivery(BaseModel):
    """One event for one webhook; `id` is what its receiver sees as `webhook-id`."""

    id: str
    type: str
    state: State
    attempts: int
    created_at: str
    tried_at: str | None = None
    next_at: str | None = Field(None, description="When it is tried (again)")
    status: int | None = Field(None, description="HTTP status of the last answer; null where there was none")
    error: str | None = Field(None, description="Why the last attempt failed")
    answer: str = Field("", description="The first 1,000 bytes of the last answer")

    @classmethod
    def of(cls, row: stored.Delivery) -> Self:
        """As the log has it."""
        shown = msgspec.structs.asdict(row)
        return cls(**shown | {name: shown[name] or None for name in ("tried_at", "next_at", "error")})


class Deliveries(BaseModel):
    """One page of the log, newest first; `next` is the cursor of the one after."""

    items: list[Delivery]
    next: str | None = None
