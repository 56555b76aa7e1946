"""Webhooks: addresses that hear of your events, what was delivered there, and what is sent again."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Body, Path, Query, Response
from ulid import ULID

from gateway import ids
from gateway.hooks import KEEP_HOURS, Add, Added, Deliveries, Delivery, Hook, Hooks, Rotate, Rotated, State, checked_url
from gateway.pages import Pages, Short, lines
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway
from gateway.state import State as Held
from workers.kit.stores import webhooks as stored

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

TEST_TYPE = "dev.quantumlayer.webhook.test.v1"
ID_FORM = "[A-Za-z0-9_:-]{1,200}"
Id = Annotated[str, Path(pattern=f"^{ids.ULID_FORM}$")]
DeliveryId = Annotated[str, Path(pattern=f"^{ID_FORM}$")]


@router.post("", status_code=201, operation_id="addWebhook", responses=responses(409, 422, 503))
async def add(gateway: Gateway, body: Add, response: Response) -> Added:
    """An address that hears of events from now on. Its secret is told here, once, and never again."""
    url = checked_url(body.url, private=gateway.settings.webhook_private)
    made = await gateway.webhooks.add(TENANT, str(ULID()), url, body.types)
    if made is None:
        detail = f"A tenant may have {stored.MOST}; remove one first."
        raise ProblemError(409, "too_many_webhooks", "There are too many webhooks", detail)
    hook, secret = made
    response.headers["Location"] = f"/v1/webhooks/{hook.id}"
    return Added(**Hook.of(hook).model_dump(), secret=_shown(secret))


@router.get("", operation_id="listWebhooks", response_model=Hooks, responses={**lines(Hook), **responses(503)})
async def list_hooks(gateway: Gateway, pages: Short) -> Response:
    """Your webhooks, oldest first."""
    return pages.whole(Hooks(items=[Hook.of(hook) for hook in await gateway.webhooks.all(TENANT)]))


@router.get("/{webhook}", operation_id="getWebhook", responses=responses(404, 422, 503))
async def show(webhook: Id, gateway: Gateway) -> Hook:
    """One webhook."""
    return Hook.of(await _known(gateway, webhook))


@router.delete(
    "/{webhook}",
    status_code=204,
    operation_id="removeWebhook",
    response_class=Response,
    responses=responses(404, 422, 503),
)
async def remove(webhook: Id, gateway: Gateway) -> None:
    """Tell it nothing more; its deliveries are forgotten."""
    if not await gateway.webhooks.remove(TENANT, webhook):
        raise _unknown(webhook)


@router.post("/{webhook}/enable", operation_id="enableWebhook", responses=responses(404, 422, 503))
async def enable(webhook: Id, gateway: Gateway) -> Hook:
    """Deliver there again after a 410 turned it off. What happened in between was not kept for it."""
    hook = await gateway.webhooks.turn_on(TENANT, webhook)
    if hook is None:
        raise _unknown(webhook)
    return Hook.of(hook)


@router.post("/{webhook}/rotate", operation_id="rotateWebhookSecret", responses=responses(404, 422, 503))
async def rotate(webhook: Id, gateway: Gateway, body: Annotated[Rotate | None, Body()] = None) -> Rotated:
    """A new secret, told once. For a while deliveries are signed with the old one too."""
    await _known(gateway, webhook)
    keep_s = (body.keep_hours if body else KEEP_HOURS) * 3600
    return Rotated(secret=_shown(await gateway.webhooks.rotate(TENANT, webhook, keep_s=keep_s)))


@router.post("/{webhook}/test", status_code=202, operation_id="testWebhook", responses=responses(404, 409, 422, 503))
async def test(webhook: Id, gateway: Gateway) -> Delivery:
    """Send it something that is no event; GET its deliveries to see what came of it."""
    _on(await _known(gateway, webhook))
    name = str(ULID())
    document = {
        "specversion": "1.0",
        "id": f"test.{name}",
        "source": "/quantumlayer",
        "type": TEST_TYPE,
        "time": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"tenant": TENANT, "webhook": webhook},
    }
    body = msgspec.json.encode(document)
    return Delivery.of(await gateway.webhooks.test(TENANT, webhook, f"test:{name}", TEST_TYPE, body))


@router.get(
    "/{webhook}/deliveries",
    operation_id="listDeliveries",
    response_model=Deliveries,
    responses={**lines(Delivery), **responses(404, 422, 503)},
)
async def deliveries(
    webhook: Id,
    gateway: Gateway,
    pages: Pages,
    cursor: Annotated[str, Query(pattern=f"^({ID_FORM})?$", description="`next` of the page before")] = "",
    state: Annotated[State | None, Query(description="Only these")] = None,
) -> Response:
    """What was delivered, is tried again or was given up in the last 30 days, newest first."""
    await _known(gateway, webhook)

    async def read(before: str, limit: int) -> Sequence[stored.Delivery]:
        return await gateway.webhooks.deliveries(TENANT, webhook, before=before, limit=limit, state=state or "")

    return await pages.pages(Deliveries, read, Delivery.of, cursor)


@router.post(
    "/{webhook}/deliveries/{delivery}/resend",
    status_code=202,
    operation_id="resendDelivery",
    responses=responses(404, 409, 422, 503),
)
async def resend(webhook: Id, delivery: DeliveryId, gateway: Gateway) -> Delivery:
    """Send it again now, also where it was taken, with the same `webhook-id`."""
    _on(await _known(gateway, webhook))
    row = await gateway.webhooks.resend(TENANT, webhook, delivery)
    if row is None:
        detail = f"There is no delivery {delivery[:64]!r}; GET /v1/webhooks/{webhook}/deliveries lists them."
        raise ProblemError(404, "delivery_not_found", "No such delivery", detail)
    return Delivery.of(row)


def _shown(secret: bytes) -> str:
    return f"whsec_{base64.b64encode(secret).decode()}"


async def _known(gateway: Held, webhook: str) -> stored.Webhook:
    found = await gateway.webhooks.one(TENANT, webhook)
    if found is None:
        raise _unknown(webhook)
    return found


def _on(hook: stored.Webhook) -> None:
    if hook.disabled_at:
        detail = f"It was turned off at {hook.disabled_at}, because {hook.disabled_reason}; enable it first."
        raise ProblemError(409, "webhook_disabled", "This webhook is turned off", detail)


def _unknown(webhook: str) -> ProblemError:
    detail = f"There is no webhook {webhook}; GET /v1/webhooks lists yours."
    return ProblemError(404, "webhook_not_found", "No such webhook", detail)
