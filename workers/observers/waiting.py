"""What an observer waits for before it begins: its durable, which the keeper makes, and PostgreSQL."""

from __future__ import annotations

import asyncio

import nats.errors
import structlog
from nats.aio.client import Client

from contracts import subjects
from workers.kit.runner.api import ApiError, find
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.pg import Pool, open_pool

LOOK_S = 0.5
WAIT_S = 2.0
log = structlog.get_logger(__name__)


async def provisioned(nc: Client, name: str) -> None:
    """Until the observer's durable is there."""
    while not await _there(nc, name):  # noqa: ASYNC110  # the keeper tells nobody
        await asyncio.sleep(LOOK_S)
    log.info("observer.started", observer=name)


async def _there(nc: Client, name: str) -> bool:
    try:
        return await find(nc, f"CONSUMER.INFO.{subjects.STREAM}.{name}") is not None
    except (ApiError, nats.errors.Error):
        return False


async def waited_for(url: str, connections: int, name: str) -> Pool:
    """Until PostgreSQL is there: a factory does not end for want of an observer."""
    while True:
        try:
            return await open_pool(url, connections)
        except StoreDown as error:
            log.warning(f"{name}.waits", error=str(error))  # noqa: G004  # the event's name
            await asyncio.sleep(WAIT_S)
