"""Artifacts lately put or read by this process, so that the next stage in it reads its input without S3."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

from contracts.events import Ref

MOST_BYTES = 16 << 20
BIGGEST = 256 * 1024
"""A body above this would push out too many others."""

OVERHEAD = 1024
"""Bytes that an entry takes beside its body, rounded up."""


Name: TypeAlias = Ref | tuple[str, int]
"""A whole reference, or an object's key and the number of a block in it."""


class Cache:
    """The least lately used go first. An entry's name says which bytes of which object it holds, and an object belongs
    to one tenant: an entry never stands in for another's."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._bodies: OrderedDict[Name, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    def get(self, name: Name) -> bytes | None:
        """The bytes, if they are still here."""
        body = self._bodies.get(name)
        if body is not None:
            self._bodies.move_to_end(name)
        return body

    def keep(self, name: Name, body: bytes) -> None:
        """Hold bytes that are known to lie there."""
        if len(body) > BIGGEST or name in self._bodies:
            return
        self._bodies[name] = body
        self._size += len(body) + OVERHEAD
        while self._size > self._most:
            _, gone = self._bodies.popitem(last=False)
            self._size -= len(gone) + OVERHEAD

    def clear(self) -> None:
        """Forget everything."""
        self._bodies.clear()
        self._size = 0
