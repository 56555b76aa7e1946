"""Probes: is the process alive, and can it serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.events import Ref
from gateway.live import LiveDown
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State
from workers.kit.stores.drops import ArtifactLost, StoreDown

router = APIRouter(tags=["health"])

PATIENCE_S = 3.0  # less than whoever probes has
NOWHERE = Ref(key="readyz", offset=0, length=1, sha256="")


class Health(BaseModel):
    """It is well."""

    status: str = "ok"


@router.get("/livez", operation_id="livez", responses=responses(503))
async def livez(gateway: Gateway) -> Health:
    """A round trip through the event loop and this process's connection to NATS: fails only for what a restart mends.

    A NATS or PostgreSQL that is away or silent is no reason to restart the gateway; `readyz` tells of it.
    """
    try:
        await gateway.live.alive()
    except LiveDown as error:
        raise ProblemError(503, "not_alive", "Restart this gateway", str(error)) from error
    return Health()


@router.get("/readyz", operation_id="readyz", responses=responses(503))
async def readyz(gateway: Gateway) -> Health:
    """Every dependency answers a real round trip."""
    checks = {"NATS": _bus(gateway), "PostgreSQL": _database(gateway), "S3": _artifacts(gateway)}
    said = await asyncio.gather(*(_within(name, check) for name, check in checks.items()))
    wrong = [sentence for sentence in said if sentence]
    if wrong:
        raise ProblemError(503, "not_ready", "Not ready", "; ".join(wrong))
    return Health()


async def _within(name: str, check: Awaitable[str]) -> str:
    try:
        return await asyncio.wait_for(check, PATIENCE_S)
    except TimeoutError:
        return f"{name} does not answer within {PATIENCE_S:.0f} s"


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
