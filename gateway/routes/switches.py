"""Kill switches: providers that must not be asked for this tenant."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Response

from gateway.asked import Off, Switch, Switches
from gateway.pages import Short, lines
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State
from workers.kit.llm.wire import PROVIDERS
from workers.kit.stores.switches import ALL

router = APIRouter(prefix="/v1/llm/switches", tags=["models"])

Provider = Annotated[str, Path(pattern=r"^([a-z][a-z0-9_-]{0,63}|\*)$", description="A provider's name; * for all")]


@router.get("", operation_id="listSwitches", response_model=Switches, responses={**lines(Switch), **responses(503)})
async def list_switches(gateway: Gateway, pages: Short) -> Response:
    """What is switched off, for you and for everybody."""
    return pages.whole(await _all(gateway))


@router.put("/{provider}", operation_id="switchOff", responses=responses(422, 503))
async def off(provider: Provider, gateway: Gateway, body: Off | None = None) -> Switches:
    """Within two seconds nobody asks this provider for you; calls that run are not cut off."""
    if provider not in {*PROVIDERS, ALL}:
        detail = f"{provider} is no provider that a router asks; there are {', '.join(PROVIDERS)}, and {ALL} for all."
        raise ProblemError(422, "unknown_provider", "No such provider", detail)
    await gateway.switches.turn_off(TENANT, provider, body.reason if body else "")
    return await _all(gateway)


@router.delete(
    "/{provider}",
    status_code=204,
    operation_id="switchOn",
    response_class=Response,
    responses=responses(404, 422, 503),
)
async def on(provider: Provider, gateway: Gateway) -> None:
    """It may be asked again."""
    if not await gateway.switches.turn_on(TENANT, provider):
        detail = f"{provider} is not switched off for you; one that is off for everybody is an operator's to switch on."
        raise ProblemError(404, "not_switched_off", "Nothing to switch on", detail)


async def _all(gateway: State) -> Switches:
    found = await gateway.switches.all(TENANT)
    return Switches(items=[Switch(**msgspec.structs.asdict(switch)) for switch in found])
