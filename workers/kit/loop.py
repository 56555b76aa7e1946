"""The event loop of a long-running process: the fast one where it is there, and a collector that hardly runs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine

COLLECT = (20_000, 50, 100)
"""Thresholds of Python's collector."""


def run(main: Coroutine[object, object, None]) -> None:
    """To its end, like `asyncio.run`."""
    with asyncio.Runner(loop_factory=_factory()) as runner:
        runner.run(main)


def collect_seldom() -> None:
    """What is imported stays, and work makes hardly a cycle: to look for them at Python's own pace costs a fifth."""
    gc.freeze()
    gc.set_threshold(*COLLECT)


def _factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import Loop
    except ImportError:  # not on every platform, and nothing depends on it
        return None
    return Loop
