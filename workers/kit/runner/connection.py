"""Whether a connection to NATS carries what it is given: what `/livez` of gateway and workers asks of the bus.

A server that is away or silent is no reason to start a process again. A connection that says that it stands but carries
nothing is one, where a new one would do better.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

ALIVE_S, GREETING_S = 2.0, 1.0
NOBODY = "ql.svc.nobody.livez"
"""Nobody listens there, and the server says so."""
_draining: set[asyncio.Task[None]] = set()
log = structlog.get_logger(__name__)


class DeadConnection(Exception):
    """It carries nothing any more; starting the process again would mend it."""


async def alive(nc: Client) -> None:
    """Raises `DeadConnection` for a connection that was given up, or that is dead while a new one would not be. One
    that is being made again is nobody's fault here."""
    if nc.is_closed:
        raise DeadConnection("the connection to NATS was given up")
    await revive(nc)
    if not nc.is_connected:
        return
    try:
        await round_trip(nc, ALIVE_S)
    except (NatsError, OSError) as error:
        if await _greets(nc):
            raise DeadConnection(f"this connection to NATS is dead, a new one is not: {error!r}") from error


async def round_trip(nc: Client, within_s: float) -> None:
    """The server has taken what was sent before. Not by nats-py's `flush`: a PONG that comes after its time ends all
    reading from the connection."""
    with contextlib.suppress(NoRespondersError):  # the server has looked, and says that nobody is there
        await nc.request(NOBODY, b"", timeout=within_s)


async def drain(subscription: Subscription, within_s: float) -> None:
    """End it, and wait so long for what was on its way. It is never cancelled: see `round_trip`."""
    task = asyncio.create_task(_drained(subscription))
    _draining.add(task)
    task.add_done_callback(_draining.discard)
    await asyncio.wait({task}, timeout=within_s)


async def _drained(subscription: Subscription) -> None:
    with contextlib.suppress(NatsError, OSError):  # without a bus nothing comes
        await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py


async def revive(nc: Client) -> None:
    """Make a connection anew which says that it stands, and which nobody reads any more: nats-py's reader ends at any
    error of its own, and nats-py notices after six minutes."""
    reader = nc._reading_task
    if nc.is_connected and reader is not None and reader.done():
        log.warning("nats.deaf")
        await nc.force_reconnect()


async def _greets(nc: Client) -> bool:
    """Whether the server greets a new connection."""
    at = nc.connected_url
    if at is None:
        return False
    try:
        async with asyncio.timeout(GREETING_S):
            reader, writer = await asyncio.open_connection(at.hostname, at.port)
            try:
                return (await reader.read(4)).startswith(b"INFO")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
