"""Several calls at once, with an error that reads like that of one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from .stage import Permanent

T = TypeVar("T")


async def gather(calls: Iterable[Coroutine[Any, Any, T]]) -> tuple[T, ...]:
    """Every result in order. When calls fail the others are cancelled, and one error is raised: `Permanent` first."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as errors:
        found = errors.exceptions
        raise next((error for error in found if isinstance(error, Permanent)), found[0]) from None
    return tuple(task.result() for task in tasks)
