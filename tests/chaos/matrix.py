"""Every row of the fault matrix and where its cases are; the rows of other parts are named with the part."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial

from tests.chaos import crashes, disk, joins, messages, models, outages, processes, soak, stages
from tests.chaos.case import LIMIT_S, Case, Seen
from tests.chaos.row import Row
from tests.chaos.world import REPOSITORY, World

FAULTS = {
    "F1": "kill -9 of a process at each point",
    "F2": "kill -9 of NATS, PostgreSQL, S3; 5 s outage",
    "F3": "NATS's store wiped",
    "F4": "power cut of NATS, PostgreSQL, S3",
    "F5": "an artifact deleted or changed",
    "F6": "worker stopped 2 x lease, then continued",
    "F7": "event loop blocked 3 x ack_wait",
    "F8": "model slower than ack_wait",
    "F9": "model refuses for a while (rest: part 3)",
    "F10": "no model for a while (breaker: part 3)",
    "F11": "duplicates",
    "F12": "reordered, future, foreign, unknown events",
    "F13": "malformed messages",
    "F14": "oversize payload, header bomb",
    "F15": "poison",
    "F16": "both join branches at once",
    "F17": "parked work fills max_ack_pending",
    "F18": "stream at max_bytes",
    "F19": "disk full",
    "F20": "PostgreSQL refuses",
    "F21": "worker's clock +-1 h, jumping",
    "F22": "cancel at each point",
    "F23": "two workers, one message",
    "F24": "rolling restart under load",
    "F25": "old and new version together",
    "F26": "gateway killed before its answer",
    "F27": "hostile code in the sandbox",
    "F28": "random faults",
    "F29": "300 idle watchers (bench: 1,000), slow ones",
    "F30": "replay with live workers",
    "F31": "kill -9 of router and worker in a model's call",
}
ELSEWHERE = {
    "F26": ("tests/gateway/test_process.py",),
    "F27": ("tests/kit/sandbox/test_attacks.py",),
    "F29": ("tests/gateway/test_followers.py",),
}
"""Rows that are tests of their own."""

DISK = ("F4", "F19")
PATIENCE_S = LIMIT_S - 20


def cases() -> list[Case]:
    """Those of `make chaos`, the long ones first."""
    found = soak.cases() + joins.cases() + outages.cases() + processes.cases() + stages.cases() + messages.cases()
    return (
        found
        + crashes.cases()
        + models.cases()
        + [Case(row=row, name="pytest", run=partial(_row, files=f)) for row, f in ELSEWHERE.items()]
    )


async def _row(_: World, files: Sequence[str]) -> Seen:
    return await pytested(files)


async def pytested(files: Sequence[str]) -> Seen:
    """What pytest says of these files. A row that left one of its tests out was not tried: it is not green."""
    missing = [file for file in files if not (REPOSITORY / file).is_file()]
    if missing:
        return Seen(wrong=[f"{', '.join(missing)} is not there"])
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=REPOSITORY, stdout=pipe, stderr=asyncio.subprocess.STDOUT, start_new_session=True
    )
    try:
        said, _ignored = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    lines = said.decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it said nothing"
    if process.returncode:
        return Seen(wrong=[line[:200] for line in lines if line.startswith(("FAILED", "ERROR"))] or [last])
    return Seen(skipped=last) if " skipped" in last else Seen(note=last)


async def disk_rows() -> list[Row]:
    """F4 and F19, which cut the power of whole disks and bring their own worlds; both, whatever happens."""
    began = time.monotonic()
    try:
        return await disk.rows()
    except Exception as error:  # noqa: BLE001  # the rest of the matrix is printed all the same
        seen, took = (f"{type(error).__name__}: {error}",), time.monotonic() - began
        return [Row(id=row, fault=FAULTS[row], cases=0, verdict="red", seconds=took, seen=seen) for row in DISK]
