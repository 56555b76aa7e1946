"""Has the embedded NATS server read its configuration again, and waits until it says that it did."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from deploy.local.errors import StackError
from deploy.local.tenants import PID_FILE

WITHIN_S = 5.0
POLL_S = 0.02
TIMES = 2
"""A server that meets a new account imports nothing into it before it reads the same configuration once more
(2.15.1, tried)."""


async def reload(folder: Path, url: str) -> None:
    """After it the file of credentials in `folder` holds. Raises `StackError` when the server there takes it not."""
    try:
        nc = await nats.connect(url, name="ql", allow_reconnect=False, connect_timeout=int(WITHIN_S))
    except (NatsError, OSError) as error:
        raise StackError(f"The NATS server does not answer: {error}.") from None
    try:
        for _ in range(TIMES):
            before = await _loaded(nc)
            os.kill(_pid(folder), signal.SIGHUP)
            async with asyncio.timeout(WITHIN_S):
                while await _loaded(nc) == before:  # noqa: ASYNC110  it tells only who asks
                    await asyncio.sleep(POLL_S)
    except (NatsError, TimeoutError):
        raise StackError("The NATS server did not take its new configuration; nats.log says why.") from None
    finally:
        await nc.close()


async def _loaded(nc: Client) -> str:
    answer = await nc.request("$SYS.REQ.SERVER.PING.VARZ", b"", timeout=WITHIN_S)
    return str(json.loads(answer.data)["data"]["config_load_time"])


def _pid(folder: Path) -> int:
    try:
        pid = int((folder / PID_FILE).read_text())
        ours = str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        ours, pid = False, 0
    if not ours:
        raise StackError(f"No NATS server runs on {folder}.")
    return pid
