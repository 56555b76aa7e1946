"""python -m deploy.local [FOLDER]: starts the stack, prints its URLs as one JSON line, stays until told to end.

Its parent's end is such a word too. The URLs hold passwords: the line is for the program that reads it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from deploy.local.errors import StackError
from deploy.local.paths import data_home
from deploy.local.stack import Stack


def main() -> int:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else data_home() / "stack"
    try:
        return asyncio.run(_run(data))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1


async def _run(data: Path) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told.set)
    async with Stack(data, said=lambda text: print(text, file=sys.stderr)) as stack:  # noqa: T201  talk, to stderr
        sys.stdout.write(msgspec.json.encode(stack.urls).decode() + "\n")
        sys.stdout.flush()
        sys.stderr.write(f"The stack is running on {data}; end it with ^C.\n")
        failed = asyncio.create_task(stack.failure())
        ends = {failed, asyncio.create_task(told.wait()), asyncio.create_task(_orphaned())}
        done, waiting = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if failed in done:
            raise failed.result()
    return 0


async def _orphaned() -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing in this process is told when its parent ends
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
