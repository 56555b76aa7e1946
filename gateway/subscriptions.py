"""Subscriptions of other systems, asked of the keeper: it alone makes durables."""

from __future__ import annotations

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.subscriptions import SERVICE, Done, List, Refused, Subscribe, Subscription, Unsubscribe

ANSWER_S = 10.0


class Keeping:
    """On the gateway's connection. Each returns `Refused` when it was not done, and why."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def subscribe(self, asked: Subscribe) -> Subscription | Refused:
        """The durable, made now or before with the same settings."""
        answer = await self._ask("subscribe", asked)
        return answer if isinstance(answer, Refused) else answer.subscriptions[0]

    async def all(self, tenant: str) -> tuple[Subscription, ...] | Refused:
        """Those of the tenant by name."""
        answer = await self._ask("list", List(tenant=tenant))
        return answer if isinstance(answer, Refused) else answer.subscriptions

    async def unsubscribe(self, asked: Unsubscribe) -> Refused | None:
        """It is gone."""
        answer = await self._ask("unsubscribe", asked)
        return answer if isinstance(answer, Refused) else None

    async def _ask(self, call: str, asked: msgspec.Struct) -> Done | Refused:
        try:
            message = await self._nc.request(f"{SERVICE}.{call}", msgspec.json.encode(asked), timeout=ANSWER_S)
        except (NatsError, OSError):
            return Refused(code="events_unavailable", reason="no keeper answers; is one running?")
        return msgspec.json.decode(message.data, type=Done | Refused)
