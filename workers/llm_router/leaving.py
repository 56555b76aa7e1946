"""Calls that nobody waits for any more: a cancelled workflow's are cut off, so that no model writes for nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import structlog
from faststream.nats import NatsBroker, NatsMessage

from contracts import subjects
from workers.kit.stores.drops import StoreDown

from .service import Service

_log = structlog.get_logger()


def heed(broker: NatsBroker, service: Service, ended: Callable[[str, str], Awaitable[bool]]) -> None:
    """Hear the nudges of cancelled workflows; anybody may send one, so the store is asked whether it is so."""

    @broker.subscriber(subjects.CANCELS, no_reply=True)
    async def cancelled(message: NatsMessage) -> None:
        with contextlib.suppress(subjects.BadSubject):
            tenant, workflow = subjects.parse_cancel(message.raw_message.subject)
            try:
                if service.asks_for(tenant, workflow) and await ended(tenant, workflow):
                    service.leave(tenant, workflow)
            except StoreDown as error:  # the call goes on to its end, and is paid
                _log.warning("llm.cancel_unknown", workflow=workflow, error=str(error))
