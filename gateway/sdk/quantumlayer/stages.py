"""Stages of your own: woken by events, they write drops and have events told, like the pipeline's.

    @stage("licence_header_check", after="code_generation.completed")
    async def check(work: Work) -> Report: ...

    run(check)

Events are read from NATS by a durable pull consumer, with rights to read alone; artifacts and drops go over the
gateway's HTTP API. An event is handled until its drop is there, whatever dies meanwhile: there is one drop a workflow,
stage and revision, so handling it twice makes no second one. What fails `tries` times ends in a drop that is `failed`,
which is the dead letter.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import nats
from nats.errors import Error as NatsError

from .client import AsyncQuantumLayer
from .errors import QuantumLayerError
from .handling import STREAM, Handling
from .work import PREFIX, Follower, Function, Permanent, Report, Work

__all__ = ["Follower", "Function", "Permanent", "Report", "Work", "observer", "run", "serve", "stage"]

_log = logging.getLogger(__name__)


def stage(name: str, *, after: str, tries: int = 5, time_limit_s: float = 600.0) -> Callable[[Function], Follower]:
    """Make a stage of a function: `after` is `<stage>.<outcome>`, such as `code_generation.completed`.

    Its drops and events bear the name `x_<name>`.
    """
    named = name if name.startswith(PREFIX) else f"{PREFIX}{name}"
    return _follower(named, (after,), writes=True, tries=tries, time_limit_s=time_limit_s)


def observer(
    name: str, *, after: str | tuple[str, ...], tries: int = 5, time_limit_s: float = 600.0
) -> Callable[[Function], Follower]:
    """Make an observer of a function: it writes no drop. It may be called again for an event that it has handled, so
    one that does something outside keeps `work.event.id` with it."""
    wanted = (after,) if isinstance(after, str) else after
    return _follower(name, wanted, writes=False, tries=tries, time_limit_s=time_limit_s)


def _follower(
    name: str, after: tuple[str, ...], *, writes: bool, tries: int, time_limit_s: float
) -> Callable[[Function], Follower]:
    for each in after:
        if not re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z]+", each):
            raise ValueError(f"{each!r} is not <stage>.<outcome>, such as code_generation.completed")
    if not re.fullmatch(r"(x_)?[a-z0-9][a-z0-9_]{0,31}", name):
        raise ValueError(f"{name!r} is no name: 1 to 32 of a-z 0-9 _")

    def named(function: Function) -> Follower:
        return Follower(
            name=name, after=after, function=function, writes=writes, tries=tries, time_limit_s=time_limit_s
        )

    return named


def run(*followers: Follower, gateway_url: str = "", nats_url: str = "", tenant: str = "") -> None:
    """Follow until SIGTERM or SIGINT; what is being handled then is finished first.

    What is not given is read from QL_GATEWAY_URL, QL_NATS_URL (with the user and password of your credential) and
    QL_TENANT.
    """
    asyncio.run(serve(*followers, gateway_url=gateway_url, nats_url=nats_url, tenant=tenant, signals=True))


async def serve(
    *followers: Follower, gateway_url: str = "", nats_url: str = "", tenant: str = "", signals: bool = False
) -> None:
    """The same in a loop of yours; ends when it is cancelled."""
    stopping = asyncio.Event()
    if signals:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    tenant = tenant or os.environ.get("QL_TENANT", "default")
    at = nats_url or _setting("QL_NATS_URL")
    issued = (urlsplit(at).username or "").startswith(f"{tenant}_")
    nc = await nats.connect(at, max_reconnect_attempts=-1, error_cb=_told, **_inbox(at) if issued else {})
    js = nc.jetstream(domain=STREAM if issued else None)
    try:
        async with (
            AsyncQuantumLayer(gateway_url or _setting("QL_GATEWAY_URL")) as client,
            asyncio.TaskGroup() as all_,
        ):
            for follower in followers:
                all_.create_task(Handling(follower, js, client, tenant, stopping).follow())
    finally:
        with suppress(NatsError, OSError):
            await nc.close()


def _setting(name: str) -> str:
    found = os.environ.get(name, "")
    if not found:
        raise QuantumLayerError(f"set {name}: `ql doctor` tells what it is")
    return found


def _inbox(at: str) -> dict[str, Any]:
    """What a credential that was issued may listen to."""
    return {"inbox_prefix": f"_INBOX_{urlsplit(at).username}".encode()}


async def _told(error: Exception) -> None:
    _log.warning("NATS: %s", error)
