"""Probes: is the process alive, and can it serve."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.problems import responses
from gateway.state import TENANT, Gateway

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """`ok`, or per dependency what is wrong with it."""

    status: str
    checks: dict[str, str] = {}


@router.get("/livez", operation_id="livez")
async def livez() -> Health:
    """The event loop answers."""
    return Health(status="ok")


@router.get("/readyz", operation_id="readyz", responses=responses(503))
async def readyz(gateway: Gateway, response: Response) -> Health:
    """Every dependency answers a real round trip."""
    checks = {"nats": "ok", "database": "ok"}
    try:
        await gateway.live.ready()
    except Exception as error:  # noqa: BLE001  whatever it is, the probe reports it
        checks["nats"] = str(error)
    try:
        await gateway.reads.workflows(TENANT, before="", limit=1)
    except Exception as error:  # noqa: BLE001  as above
        checks["database"] = type(error).__name__
    ready = all(value == "ok" for value in checks.values())
    response.status_code = 200 if ready else 503
    return Health(status="ok" if ready else "not ready", checks=checks)
