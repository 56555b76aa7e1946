"""What the ledger keeps of a text: compressed in PostgreSQL, above 4 MiB in S3; and the hot ones as they are."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from typing import Protocol

import msgspec

from contracts.events import Ref

from .calls import Answer, AnswerTooLong
from .keys import ledger_key

MAX_BYTES = 4 * 1024 * 1024
"""Of one compressed text in PostgreSQL."""

MAX_REFERRED = 64 * 1024 * 1024
"""Of one compressed text in S3."""

HOT_BYTES = 32 * 1024 * 1024
_SLOW = 256 * 1024  # bytes from which compression would hold up the event loop
_OVERHEAD = 512
_LEVEL = 1
"""A third of the time of zlib's own choice, for a sixth more bytes."""


class Objects(Protocol):
    """Of the artifacts' store, what is needed here."""

    async def put(self, tenant: str, body: bytes, *, key: str = "") -> Ref: ...

    async def get(self, ref: Ref) -> bytes: ...


async def packed(text: bytes) -> bytes:
    """Compressed, beside the event loop when it takes long."""
    return await asyncio.to_thread(zlib.compress, text, _LEVEL) if len(text) > _SLOW else zlib.compress(text, _LEVEL)


async def unpacked(body: bytes) -> bytes:
    """Packed bytes do not tell how long they are unpacked."""
    unpacking = zlib.decompressobj()
    start = unpacking.decompress(body, _SLOW)
    return start if unpacking.eof else await asyncio.to_thread(_whole, body)


def _whole(body: bytes) -> bytes:
    return zlib.decompress(body)


class Bodies:
    """Between a text and its two columns: the body, and the reference in its place. Without S3 4 MiB is the most."""

    def __init__(self, objects: Objects | None = None) -> None:
        self._objects = objects

    async def kept(self, tenant: str, text: bytes) -> tuple[bytes, str]:
        """What to write: (body, reference), one of them empty. Raises `AnswerTooLong`, `StoreDown`."""
        body = await packed(text)
        if len(body) <= MAX_BYTES:
            return body, ""
        if self._objects is None or len(body) > MAX_REFERRED:
            raise AnswerTooLong(f"a text of {len(text)} bytes is more than the ledger keeps")
        ref = await self._objects.put(tenant, body, key=ledger_key(tenant, body))
        return b"", msgspec.json.encode(ref).decode()

    async def text(self, body: bytes, reference: str) -> bytes:
        """What was written. Raises `ArtifactLost`, `StoreDown`."""
        if not reference:
            return await unpacked(body)
        ref = msgspec.json.decode(reference, type=Ref)
        if self._objects is None:
            raise AnswerTooLong(f"{ref.key} lies in S3, which is not set here")
        return await unpacked(await self._objects.get(ref))


class Hot:
    """Answers that were lately used, by tenant and question; the least lately used go first."""

    def __init__(self, most: int = HOT_BYTES) -> None:
        self._most = most
        self._size = 0
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()

    def get(self, tenant: str, question: str) -> Answer | None:
        """The answer, if it is still here."""
        answer = self._answers.get((tenant, question))
        if answer is not None:
            self._answers.move_to_end((tenant, question))
        return answer

    def keep(self, tenant: str, question: str, answer: Answer) -> None:
        """Hold an answer that the ledger holds."""
        if (tenant, question) in self._answers or _size(answer) > self._most // 8:
            return
        self._answers[tenant, question] = answer
        self._size += _size(answer)
        while self._size > self._most:
            _, gone = self._answers.popitem(last=False)
            self._size -= _size(gone)


def _size(answer: Answer) -> int:
    return 4 * len(answer.text) + _OVERHEAD  # a character takes up to four bytes
