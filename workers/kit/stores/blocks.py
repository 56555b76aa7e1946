"""Reading small artifacts by the block of the object that they lie in: one request serves all that lie beside them.

Objects are named by their bytes, so a block once read stays right. Whoever asks while it is on its way waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from contracts.events import Ref

from .cache import BIGGEST, Cache

Fetch = Callable[[str, int, int], Awaitable[bytes]]
"""Bytes of the object `key` from an offset: at most so many, fewer at its end."""


class Blocks:
    """Reads through `fetch`, and keeps blocks in the cache."""

    def __init__(self, fetch: Fetch, cache: Cache) -> None:
        self._fetch = fetch
        self._cache = cache
        self._coming: dict[tuple[str, int], asyncio.Task[bytes]] = {}

    async def read(self, ref: Ref) -> bytes | None:
        """What lies at `ref`, unchecked; None where that is not all in one block."""
        number = ref.offset // BIGGEST
        start = ref.offset - number * BIGGEST
        if start + ref.length > BIGGEST:
            return None
        if not ref.length:
            return b""
        block = self._cache.get((ref.key, number))
        if block is None:
            block = await self._come(ref.key, number)
        return block[start : start + ref.length]

    async def _come(self, key: str, number: int) -> bytes:
        coming = self._coming.get((key, number))
        if coming is None:
            coming = self._coming[key, number] = asyncio.create_task(self._load(key, number))
        return await asyncio.shield(coming)  # one who gives up takes it from nobody else

    async def _load(self, key: str, number: int) -> bytes:
        try:
            block = await self._fetch(key, number * BIGGEST, BIGGEST)
            self._cache.keep((key, number), block)
            return block
        finally:
            del self._coming[key, number]
