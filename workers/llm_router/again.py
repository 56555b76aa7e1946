"""When litellm's Router may ask the same model again: soon, within its provider's limit, or not at all.

Never after a try that the provider may have worked on: that is paid for, and a call was granted money for one.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .errors import worked

LONGEST_S = 5.0
"""Who is to come back later than this is told so, and comes back by the bus; until then it holds no money."""
Gate = Callable[[], Awaitable[bool]]
_gate: ContextVar[Gate | None] = ContextVar("gate", default=None)
_failed: ContextVar[Exception | None] = ContextVar("failed", default=None)
"""What the try before this one ended with."""
_began: ContextVar[float] = ContextVar("began", default=0.0)


@contextmanager
def gated(gate: Gate) -> Iterator[None]:
    """What is asked inside is asked again only where `gate`, which counts, and all gates around it say so."""
    outer = _gate.get()

    async def both() -> bool:
        return (outer is None or await outer()) and await gate()

    token = _gate.set(both)
    try:
        yield
    finally:
        _gate.reset(token)
        _failed.set(None)  # its time was up while it waited


async def may_again() -> bool:
    """Whether one more try may be; it is counted."""
    gate = _gate.get()
    return gate is None or await gate()


def pausing() -> bool:
    """Whether a try has failed and the next one has not begun: nobody works on the question now."""
    return _failed.get() is not None


def lost(error: BaseException) -> bool:
    """Whether this try may have been worked on, and is paid for."""
    return worked(error, time.monotonic() - _began.get())


def soon(router: Any) -> None:
    """litellm sleeps for what a Retry-After says, up to a minute, before each try and after the last one too."""
    pause: Callable[..., float] = router._time_to_sleep_before_retry
    call: Callable[..., Awaitable[Any]] = router.make_call

    def short(*, e: Exception, remaining_retries: int, **more: Any) -> float:
        seconds = pause(e=e, remaining_retries=remaining_retries, **more)
        if not remaining_retries or seconds > LONGEST_S or lost(e):
            raise e
        _failed.set(e)
        return seconds

    async def checked(*arguments: Any, **named: Any) -> Any:
        failed = _failed.get()
        again = failed is None or await may_again()
        _failed.set(None)
        if failed is not None and not again:
            raise failed
        _began.set(time.monotonic())
        return await call(*arguments, **named)

    router._time_to_sleep_before_retry = short
    router.make_call = checked
