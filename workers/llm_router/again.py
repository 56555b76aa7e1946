"""When litellm's Router may ask the same model again: soon, within its provider's limit, or not at all.

Never after a try that the provider may have worked on: that is paid for, and a call was granted money for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .errors import worked

LONGEST_S = 5.0
"""Who is to come back later than this is told so, and comes back by the bus; until then it holds no money."""
_gate: ContextVar[Callable[[], bool] | None] = ContextVar("gate", default=None)


@contextmanager
def gated(gate: Callable[[], bool]) -> Iterator[None]:
    """What is asked inside is asked again only where `gate`, which counts, says so."""
    token = _gate.set(gate)
    try:
        yield
    finally:
        _gate.reset(token)


def may_again() -> bool:
    """Whether one more try is within the limit; it is counted."""
    gate = _gate.get()
    return gate is None or gate()


def soon(router: Any) -> None:
    """litellm sleeps for what a Retry-After says, up to a minute, before each try and after the last one too."""
    pause: Callable[..., float] = router._time_to_sleep_before_retry

    def short(*, e: Exception, remaining_retries: int, **more: Any) -> float:
        seconds = pause(e=e, remaining_retries=remaining_retries, **more)
        if not remaining_retries or seconds > LONGEST_S or worked(e) or not may_again():
            raise e
        return seconds

    router._time_to_sleep_before_retry = short
