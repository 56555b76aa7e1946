"""Runs uv and pip, away from the event loop, for a bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from workers.kit.stage import Transient


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool said, and with which status it went."""

    status: int
    stdout: str
    stderr: str


async def run(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, wall_s: float, stdin: str | None = None
) -> Ended:
    """The end of it; `Transient` when it takes longer than `wall_s`. Its children go with it."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(wall_s):
            told = await process.communicate(None if stdin is None else stdin.encode())
    except TimeoutError:
        raise Transient(f"the package index did not answer in {wall_s:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    stdout, stderr = (body.decode("utf-8", "replace") for body in told)
    return Ended(status=process.returncode or 0, stdout=stdout, stderr=stderr)
