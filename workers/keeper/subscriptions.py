"""Durables of other systems, made, listed and deleted on request: a tenant's hears that tenant's facts only.

Asked on `ql.svc.keeper.<call>`; of several keepers one answers. Who asks (the gateway) has checked who they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any, TypeVar

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts import subscriptions
from contracts.subjects import STREAM, BadSubject
from contracts.subscriptions import Code, Done, List, Refused, Subscribe, Subscription, Unsubscribe
from workers.kit.runner.api import ApiError, call, find

MOST = 32
"""Durables a tenant may have; each costs the server memory for what waits to be acknowledged."""
UNACKNOWLEDGED = 1000
_EXISTS = (10013, 10148)
"""JetStream's codes for a consumer of that name with another configuration."""

log = structlog.get_logger(__name__)
Answer = Done | Refused
T = TypeVar("T")


class _No(Exception):
    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.answer = Refused(code=code, reason=reason)


async def serve(nc: Client) -> None:
    """Answer from now on, as long as this connection lives."""
    one = asyncio.Lock()  # so that the limit holds

    async def subscribe(asked: Subscribe) -> Answer:
        async with one:
            return await _subscribe(nc, asked)

    async def listed(asked: List) -> Answer:
        return Done(subscriptions=await _all(nc, asked.tenant))

    async def unsubscribe(asked: Unsubscribe) -> Answer:
        return await _unsubscribe(nc, asked)

    await _answer(nc, "subscribe", Subscribe, subscribe)
    await _answer(nc, "list", List, listed)
    await _answer(nc, "unsubscribe", Unsubscribe, unsubscribe)


async def _answer(nc: Client, name: str, kind: type[T], do: Callable[[T], Awaitable[Answer]]) -> None:
    async def heard(message: Msg) -> None:
        try:
            answer = await do(msgspec.json.decode(message.data, type=kind))
        except _No as error:
            answer = error.answer
        except (msgspec.DecodeError, subscriptions.BadName, BadSubject) as error:
            answer = Refused(code="invalid_request", reason=str(error))
        except (ApiError, NatsError) as error:
            log.warning("subscription.failed", call=name, error=str(error))
            answer = Refused(code="events_unavailable", reason="JetStream does not do it now")
        await message.respond(msgspec.json.encode(answer))

    await nc.subscribe(f"{subscriptions.SERVICE}.{name}", queue="keeper", cb=heard)


async def _subscribe(nc: Client, asked: Subscribe) -> Answer:
    durable = subscriptions.durable(asked.tenant, asked.name)
    there = {each.name for each in await _all(nc, asked.tenant)}
    if asked.name not in there and len(there) >= MOST:
        raise _No("too_many_subscriptions", f"there are {MOST} subscriptions, the most a tenant may have: delete one")
    try:
        made = await call(nc, f"CONSUMER.CREATE.{STREAM}.{durable}", _request(durable, asked))
    except ApiError as error:
        if error.code not in _EXISTS:
            raise
        reason = f"there is a subscription {asked.name!r} already, with another beginning or other filters"
        raise _No("name_taken", reason) from error
    log.info("subscription.made", durable=durable)
    return Done(subscriptions=(_told(made, asked.name),))


def _request(durable: str, asked: Subscribe) -> dict[str, object]:
    config: dict[str, object] = {
        "durable_name": durable,
        "name": durable,
        "filter_subjects": list(subscriptions.filters(asked.tenant, asked.workflow, asked.stages)),
        "deliver_policy": asked.start,
        "ack_policy": "explicit",
        "ack_wait": asked.ack_wait_s * 1_000_000_000,
        "max_deliver": -1,
        "max_ack_pending": 1 if asked.ordered else UNACKNOWLEDGED,
        "replay_policy": "instant",
    }
    if asked.sequence > 0:
        config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": asked.sequence}
    elif asked.since is not None:
        since = asked.since if asked.since.tzinfo else asked.since.replace(tzinfo=UTC)
        config |= {"deliver_policy": "by_start_time", "opt_start_time": since.isoformat()}
    return {"stream_name": STREAM, "config": config, "action": "create"}


async def _unsubscribe(nc: Client, asked: Unsubscribe) -> Answer:
    durable = subscriptions.durable(asked.tenant, asked.name)
    if await find(nc, f"CONSUMER.DELETE.{STREAM}.{durable}") is None:
        raise _No("subscription_not_found", f"there is no subscription {asked.name!r}")
    log.info("subscription.deleted", durable=durable)
    return Done()


async def _all(nc: Client, tenant: str) -> tuple[Subscription, ...]:
    """By name. A page of JetStream's holds 256 consumers, those of every stage and follower among them."""
    found: list[Subscription] = []
    offset = 0
    while True:
        page = await call(nc, f"CONSUMER.LIST.{STREAM}", {"offset": offset})
        infos = page.get("consumers") or ()
        found += [_told(info, name) for info in infos if (name := subscriptions.name_of(info["name"], tenant))]
        offset += len(infos)
        if not infos or offset >= page["total"]:
            return tuple(sorted(found, key=lambda each: each.name))


def _told(info: dict[str, Any], name: str) -> Subscription:
    config = info["config"]
    return Subscription(
        name=name,
        durable=info["name"],
        filters=tuple(config.get("filter_subjects") or [config["filter_subject"]]),
        created=info["created"],
        waiting=info["num_pending"],
        unacknowledged=info["num_ack_pending"],
        acknowledged=info["ack_floor"]["stream_seq"],
    )
