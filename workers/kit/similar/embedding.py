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
        """A vector for each text; raises `Away`."""
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

    def __init__(self, nc: Client, model: str) -> None:
        self.name = model
        self._nc = nc

    async def embed(self, tenant: str, texts: Sequence[str]) -> Vectors:
        body = msgspec.json.encode(Embed(tenant=tenant, texts=tuple(texts)))
        try:
            reply = await self._nc.request(EMBED, body, timeout=self.WITHIN_S)
            said = msgspec.json.decode(reply.data, type=Embedded | Problem)
        except (nats.errors.Error, msgspec.DecodeError) as error:
            raise Away(f"the model router gives no embeddings: {error}") from error
        if isinstance(said, Problem):
            raise Away(said.message)
        if len(said.vectors) != len(texts) or len({len(vector) for vector in said.vectors}) > 1:
            raise Away(f"{said.model} gave {len(said.vectors)} vectors for {len(texts)} texts")
        return Vectors(model=said.model, least=self.LEAST, vectors=said.vectors)
