"""Whether a connection to NATS carries what it is given: what `/livez` of gateway and workers asks of the bus.

A server that is away or silent is no reason to start a process again. A connection that says that it stands but carries
nothing is one, where a new one would do better.
"""

from __future__ import annotations

import asyncio

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

ALIVE_S, GREETING_S = 2.0, 1.0
NOBODY = "ql.svc.nobody.livez"
"""Nobody listens there, and the server says so."""


class DeadConnection(Exception):
    """It carries nothing any more; starting the process again would mend it."""


async def alive(nc: Client) -> None:
    """Raises `DeadConnection` for a connection that was given up, or that is dead while a new one would not be. One
    that is being made again is nobody's fault here."""
    if nc.is_closed:
        raise DeadConnection("the connection to NATS was given up")
    if not nc.is_connected:
        return
    try:
        await nc.request(NOBODY, b"", timeout=ALIVE_S)
    except NoRespondersError:
        return  # the server has looked, and says that nobody is there
    except (NatsError, OSError) as error:
        if await _greets(nc):
            raise DeadConnection(f"this connection to NATS is dead, a new one is not: {error!r}") from error


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
