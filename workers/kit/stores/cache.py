"""Artifacts lately put or read by this process, so that the next stage in it reads its input without S3."""

from __future__ import annotations

from collections import OrderedDict

from contracts.events import Ref

MOST_BYTES = 32 << 20
BIGGEST = 256 * 1024
"""A body above this would push out too many others."""

OVERHEAD = 1024
"""Bytes that an entry takes beside its body, rounded up."""


class Cache:
    """The least lately used go first. An entry's name is its whole reference, so that it holds the bytes of one place
    of one tenant's object and never stands in for another."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._bodies: OrderedDict[Ref, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    def get(self, ref: Ref) -> bytes | None:
        """The bytes, if they are still here."""
        body = self._bodies.get(ref)
        if body is not None:
            self._bodies.move_to_end(ref)
        return body

    def keep(self, ref: Ref, body: bytes) -> None:
        """Hold bytes that are known to be those of `ref`."""
        if len(body) > BIGGEST or ref in self._bodies:
            return
        self._bodies[ref] = body
        self._size += len(body) + OVERHEAD
        while self._size > self._most:
            _, gone = self._bodies.popitem(last=False)
            self._size -= len(gone) + OVERHEAD

    def clear(self) -> None:
        """Forget everything."""
        self._bodies.clear()
        self._size = 0
