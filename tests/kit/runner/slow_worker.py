"""A worker process for the small pipeline: `python -m tests.kit.runner.slow_worker SECONDS [HOW]` of work in `check`.

With `block` it first holds up the event loop until it is sent a line; with `deaf` it takes no notice of a cancel.
"""

from __future__ import annotations

import asyncio
import sys

from observability import telemetry
from tests.flow.noop import bind_all
from tests.kit.runner import small
from workers.kit.runner import process
from workers.kit.settings import load


async def check(draft: small.Draft) -> small.Verdict:
    sys.stdout.write("checking\n")
    sys.stdout.flush()
    if "block" in sys.argv:
        sys.stdin.readline()
    await _work(asyncio.get_running_loop().time() + float(sys.argv[1]))
    return await small.accept(draft)


async def _work(until: float) -> None:
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            if "deaf" not in sys.argv:
                raise


if __name__ == "__main__":
    settings = load()
    close = telemetry.setup("worker", log_level="warning", otlp_url=settings.otlp_url)
    process.run(bind_all(small.SMALL, small.STAGES | {"check": check}), small.SMALL, settings)
    close()
