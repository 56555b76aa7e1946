"""A stage as a third party runs it: a process of its own, slow enough to be killed in the middle of its work."""

from __future__ import annotations

import asyncio
import sys

from quantumlayer.stages import Report, Work, run, stage


@stage("count_bytes", after="code_generation.completed")
async def count(work: Work) -> Report:
    body = await work.artifact()
    sys.stdout.write(f"begun {work.event.id}\n")
    sys.stdout.flush()
    await asyncio.sleep(0.3)
    return Report({"bytes": len(body)})


if __name__ == "__main__":
    run(count)
