"""Group commit: what many callers ask at the same time is done in one transaction, and each gets its own answer.

Nothing waits for company: the first caller's item is run at once, and what comes meanwhile is the next batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from typing import Generic, TypeVar

from workers.kit.stores.drops import StoreDown

from .pool import Undone

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST = 256
"""Items of one batch."""


class Group(Generic[Item, Answer]):
    """Runs items in batches, at most `flushers` of them at once.

    `run` answers the items of one batch in their order, in one transaction; an exception among its answers is raised to
    that item's caller alone. When `run` itself fails, `StoreDown` goes to every caller of the batch, and after any
    other error the batch is run again in halves, down to the item that is to blame. Two items of one `key` are never in
    the same batch: the second sees what the first did. `orphan` gets every answer whose caller was cancelled before
    it had it; an item whose caller left before that is not run.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        *,
        key: Callable[[Item], Hashable] | None = None,
        orphan: Callable[[Item, Answer], Awaitable[object]] | None = None,
        flushers: int = 1,
        most: int = MOST,
    ) -> None:
        self._run = run
        self._key = key
        self._orphan = orphan
        self._flushers = flushers
        self._most = most
        self._queue: deque[_Asked[Item, Answer]] = deque()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item) -> Answer:
        """The item's answer."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if self._running < self._flushers:
            self._running += 1
            self._keep(self._flush())
        try:
            return await future
        except asyncio.CancelledError:  # in the very turn in which the answer came, perhaps: nobody else has seen it
            if future.done() and not future.cancelled() and future.exception() is None:
                self._keep(self._hand_back([(item, future.result())]))
            raise

    def _keep(self, doing: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        """Until nobody asks any more."""
        try:
            while batch := self._take():
                try:
                    await self._answer(batch)
                finally:  # a loop that stops cancels this task: nobody may wait for ever
                    for _, future in batch:
                        future.cancel()
        finally:  # not when the task is seen to be done: what is asked between the two would find no flusher
            self._running -= 1

    def _take(self) -> list[_Asked[Item, Answer]]:
        """The oldest items, of each key the oldest; the others keep their places."""
        taken: list[_Asked[Item, Answer]] = []
        later: list[_Asked[Item, Answer]] = []
        keys: set[Hashable] = set()
        while self._queue and len(taken) < self._most:
            asked = self._queue.popleft()
            if asked[1].done():
                continue
            key = self._key(asked[0]) if self._key else None
            if key is not None and key in keys:
                later.append(asked)
                continue
            keys.add(key)
            taken.append(asked)
        self._queue.extendleft(reversed(later))
        return taken

    async def _answer(self, batch: list[_Asked[Item, Answer]]) -> None:
        try:
            answers = list(zip(batch, await self._run([item for item, _ in batch]), strict=True))
        except Exception as error:  # noqa: BLE001  # it is raised again, to those whom it concerns
            if len(batch) == 1 or (isinstance(error, StoreDown) and not isinstance(error, Undone)):
                for _, future in batch:
                    _raise(future, StoreDown(*error.args) if isinstance(error, StoreDown) else error)
                return
            half = len(batch) // 2
            await self._answer(batch[:half])
            await self._answer(batch[half:])
            return
        orphans: list[tuple[Item, Answer]] = []
        for (item, future), answer in answers:
            if isinstance(answer, Exception):
                _raise(future, answer)
            elif future.done():
                orphans.append((item, answer))
            else:
                future.set_result(answer)
        await self._hand_back(orphans)

    async def _hand_back(self, orphans: Sequence[tuple[Item, Answer]]) -> None:
        if self._orphan is not None:
            with contextlib.suppress(StoreDown):  # what nobody takes back lapses by itself
                for item, answer in orphans:
                    await self._orphan(item, answer)


_Asked = tuple[Item, asyncio.Future[Answer]]


def _raise(future: asyncio.Future[Answer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
