"""Starts a NATS server again that lives but takes no event: a stream whose disk was full stays stuck until then.

It publishes a wake for nobody, as real as any event, and counts answers only: a stream at its limit does answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import subjects
from deploy.local.part import RESTARTS, Part, is_full

if TYPE_CHECKING:
    from nats.aio.client import Client

EVERY_S = 5.0
ANSWER_S = 5.0
FAILURES = 5
"""In a row, so some 50 s without an answer: a busy machine may be slow for long, and a restart would not help it."""
TICK_S, LATE_S = 0.1, 0.5
"""How late our own loop may be while a look fails: beyond it the fault may be ours, and the look says nothing."""
NOBODY = subjects.wake("nobody", "launcher", "probe")
HEADERS = {"Nats-TTL": "1s", "Nats-Expected-Stream": subjects.STREAM}


async def keep_accepting(part: Part, url: str, folder: Path) -> None:
    """Looks every few seconds, until cancelled or it is given up: no restart helped, as often as one may die.

    While the disk is full a restart would not help; see `Part.outlast`.
    """
    failures = restarts = 0
    while True:
        await asyncio.sleep(EVERY_S)
        with contextlib.suppress(OSError):  # the disk can't even be asked; the next look may tell
            if not part.pid or is_full(folder):
                failures = 0
            elif (taken := await _looked(url)) is None:
                continue
            elif taken:
                failures = restarts = 0
            elif (failures := failures + 1) < FAILURES:
                continue
            elif restarts == RESTARTS:
                return await part.give_up("NATS takes no events.")
            else:
                await part.restart("NATS takes no events.")
                failures, restarts = 0, restarts + 1


async def _looked(url: str) -> bool | None:
    """As `accepts`; None where it failed and this process was late itself."""
    clock, ticks, late = asyncio.get_running_loop().time, 0.0, False

    async def tick() -> None:
        nonlocal ticks, late
        while True:
            ticks = clock()
            await asyncio.sleep(TICK_S)
            late = late or clock() - ticks > TICK_S + LATE_S

    ticks = clock()
    ticking = asyncio.create_task(tick())
    try:
        return await accepts(url) or (None if late or clock() - ticks > TICK_S + LATE_S else False)
    finally:
        ticking.cancel()


async def accepts(url: str) -> bool:
    """Whether a publish to the event stream is answered, be it by a refusal; true too while there is no stream."""
    import nats
    from nats.aio.client import Client

    nc = Client()
    try:
        async with asyncio.timeout(ANSWER_S):
            try:
                await nc.connect(url, allow_reconnect=False, max_reconnect_attempts=1, error_cb=_silent)
                return await _answered(nc)
            finally:
                await nc.close()  # one that never connected has a socket too
    except (nats.errors.Error, OSError, TimeoutError):
        return False


async def _answered(nc: Client) -> bool:
    import nats

    try:
        await nc.request(NOBODY, b"", timeout=ANSWER_S, headers=HEADERS)
    except nats.errors.NoRespondersError:
        answer = await nc.request("$JS.API.INFO", b"", timeout=ANSWER_S)
        return b'"error"' not in answer.data
    return True


async def _silent(_: Exception) -> None:
    """The answer is all that counts."""
