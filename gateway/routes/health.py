"""Probes: is the process alive, and can it serve."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.events import Ref
from gateway.live import LiveDown
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State
from workers.kit.stores.drops import ArtifactLost, StoreDown

router = APIRouter(tags=["health"])

NOWHERE = Ref(key="readyz", offset=0, length=1, sha256="")


class Health(BaseModel):
    """It is well."""

    status: str = "ok"


@router.get("/livez", operation_id="livez")
async def livez() -> Health:
    """The event loop answers."""
    return Health()


@router.get("/readyz", operation_id="readyz", responses=responses(503))
async def readyz(gateway: Gateway) -> Health:
    """Every dependency answers a real round trip."""
    wrong = [said for said in (await _bus(gateway), await _database(gateway), await _artifacts(gateway)) if said]
    if wrong:
        raise ProblemError(503, "not_ready", "Not ready", "; ".join(wrong), {"Retry-After": "2"})
    return Health()


async def _bus(gateway: State) -> str:
    try:
        await gateway.live.ready()
    except LiveDown as error:
        return str(error)
    return ""


async def _database(gateway: State) -> str:
    try:
        await gateway.reads.workflows(TENANT, before="", limit=1)
    except StoreDown:
        return "PostgreSQL does not answer"
    return ""


async def _artifacts(gateway: State) -> str:
    try:
        await gateway.artifacts.get(NOWHERE)
    except ArtifactLost:
        return ""  # S3 has looked, and says that there is nothing
    except StoreDown as error:
        return str(error)
    return ""
