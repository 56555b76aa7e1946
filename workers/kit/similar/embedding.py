"""From texts to vectors: by the model that QL_EMBEDDINGS names, through the router, else by the built-in hashing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import nats.errors
from nats.aio.client import Client

from workers.kit.llm.wire import EMBED, Embed, Embedded, Problem

from . import hashing

Vector = tuple[float, ...]


class Away(Exception):
    """What finds examples can't be had now: the workflow goes on without any."""


class Vectors(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors of one model: those of two are never compared. `least` is the cosine that tells of the same subject."""

    model: str
    least: float
    vectors: tuple[Vector, ...]


class Embedder(Protocol):
    """`name` goes into the ledger's key."""

    name: str

    async def embed(self, tenant: str, texts: Sequence[str]) -> Vectors:
        """A vector for each text, of which there is at least one; raises `Away`."""
        ...


class Hashing:
    """No model and no network; a millisecond for a page."""

    name = hashing.NAME

    async def embed(self, tenant: str, texts: Sequence[str]) -> Vectors:
        vectors = await asyncio.to_thread(lambda: tuple(map(hashing.embed, texts)))
        return Vectors(model=hashing.NAME, least=hashing.LEAST, vectors=vectors)


class Routed:
    """A provider's model, behind the router."""

    LEAST = 0.35
    WITHIN_S = 10.0
    AT_ONCE = 8  # vectors of 3,072 numbers: half of what the bus takes in one message

    def __init__(self, nc: Client, model: str) -> None:
        self.name = model
        self._nc = nc

    async def embed(self, tenant: str, texts: Sequence[str]) -> Vectors:
        some = [tuple(texts[start : start + self.AT_ONCE]) for start in range(0, len(texts), self.AT_ONCE)]
        said = await asyncio.gather(*(self._said(tenant, part) for part in some))
        vectors = tuple(vector for part in said for vector in part.vectors)
        models = {part.model for part in said}
        if len(vectors) != len(texts) or len(models) > 1 or len({len(vector) for vector in vectors}) > 1:
            raise Away(f"{', '.join(sorted(models))} gave {len(vectors)} unlike vectors for {len(texts)} texts")
        return Vectors(model=models.pop(), least=self.LEAST, vectors=vectors)

    async def _said(self, tenant: str, texts: tuple[str, ...]) -> Embedded:
        try:
            reply = await self._nc.request(
                EMBED, msgspec.json.encode(Embed(tenant=tenant, texts=texts)), timeout=self.WITHIN_S
            )
            said = msgspec.json.decode(reply.data, type=Embedded | Problem)
        except (nats.errors.Error, msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Away(f"the model router gives no embeddings: {error}") from error
        if isinstance(said, Problem):
            raise Away(said.message)
        return said
