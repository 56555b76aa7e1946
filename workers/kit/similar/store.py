"""Examples in Qdrant: a server where there is one, else the client's own files, which one process holds alone.

A collection holds vectors of one model and dimension. Every point names its tenant; no question goes without one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from contracts.subjects import token

from .embedding import Away, Vector, Vectors
from .wire import Collection

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

T = TypeVar("T")

WITHIN_S = 2
MOST_IN_FILES = 4000
"""Points of a collection without a server: all of them are looked at for each text, a thousand in some 7 ms."""
FOLDER = "qdrant"
_IDS = uuid.UUID("6f0c1f0a-3c0e-5d2b-9d57-3f7a5e3c9b11")
_PLAIN = re.compile(r"[^A-Za-z0-9]+")


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One example: found by what `text` says, told as `body` (JSON). The same body twice is one point."""

    text: str
    body: bytes


class Store:
    """One thread does all the work: the client's calls block, and its files belong to the thread that opened them."""

    def __init__(self, url: str, folder: Path | None, *, most: int = MOST_IN_FILES) -> None:
        self._url = url
        self._folder = folder
        self._most = most
        self._client: QdrantClient | None = None
        self._known: set[str] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="qdrant")

    async def open(self) -> None:
        """Before somebody waits for it, since that takes a second. Raises `Away`; what comes later tries again."""
        await self._do(lambda client: None)

    async def put(self, collection: Collection, tenant: str, points: Sequence[Point], vectors: Vectors) -> None:
        """Keep the examples of a tenant; repeating it changes nothing. Raises `Away`, `BadSubject`."""
        whose = token(tenant)
        if points:
            await self._do(lambda client: self._put(client, collection, whose, points, vectors))

    async def near(self, collection: Collection, tenant: str, vectors: Vectors, most: int) -> list[list[bytes]]:
        """For each vector the tenant's nearest examples, the best first. Raises `Away`, `BadSubject`."""
        whose = token(tenant)
        return await self._do(lambda client: self._near(client, collection, whose, vectors, most))

    async def close(self) -> None:
        """Let go of the files."""
        thread, self._thread = self._thread, ThreadPoolExecutor(1, thread_name_prefix="qdrant")
        await asyncio.get_running_loop().run_in_executor(thread, self._close)
        thread.shutdown()

    async def _do(self, work: Callable[[QdrantClient], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._tried, work)

    def _tried(self, work: Callable[[QdrantClient], T]) -> T:
        try:
            if self._client is None:
                self._client = self._opened()
            return work(self._client)
        except Exception as error:  # whatever fails in there, examples are a help and no need
            self._close()
            raise Away(f"Qdrant: {str(error).strip()[:300] or type(error).__name__}") from error

    def _opened(self) -> QdrantClient:
        from qdrant_client import QdrantClient  # a second of imports

        if not self._url:
            return QdrantClient(path=str(self._folder))
        url, key = _address(self._url)
        return QdrantClient(url=url, api_key=key, timeout=WITHIN_S, check_compatibility=False)

    def _close(self) -> None:
        client, self._client = self._client, None
        self._known.clear()
        if client is not None:
            with contextlib.suppress(Exception):  # it was of no use any more
                client.close()

    def _put(
        self, client: QdrantClient, collection: Collection, tenant: str, points: Sequence[Point], vectors: Vectors
    ) -> None:
        from qdrant_client import models

        name = collection_name(collection, vectors.model, vectors.vectors[0])
        self._ensure(client, name, len(vectors.vectors[0]))
        rows = [
            models.PointStruct(
                id=_id(tenant, point.body),
                vector=list(vector),
                payload={"tenant": tenant, "body": point.body.decode(), "at": time.time()},
            )
            for point, vector in zip(points, vectors.vectors, strict=True)
        ]
        client.upsert(name, rows, wait=True)
        if not self._url:
            _forget_oldest(client, name, self._most)

    def _near(
        self, client: QdrantClient, collection: Collection, tenant: str, vectors: Vectors, most: int
    ) -> list[list[bytes]]:
        from qdrant_client import models

        name = collection_name(collection, vectors.model, vectors.vectors[0])
        if not self._exists(client, name):
            return [[] for _ in vectors.vectors]
        mine = models.Filter(must=[models.FieldCondition(key="tenant", match=models.MatchValue(value=tenant))])
        asked = [
            models.QueryRequest(
                query=list(vector), filter=mine, limit=most, score_threshold=vectors.least, with_payload=True
            )
            for vector in vectors.vectors
        ]
        found = client.query_batch_points(name, asked)
        return [[_body(point.payload, tenant) for point in answer.points] for answer in found]

    def _exists(self, client: QdrantClient, name: str) -> bool:
        if name not in self._known and client.collection_exists(name):
            self._known.add(name)
        return name in self._known

    def _ensure(self, client: QdrantClient, name: str, dimension: int) -> None:
        from qdrant_client import models

        if self._exists(client, name):
            return
        try:
            client.create_collection(
                name, vectors_config=models.VectorParams(size=dimension, distance=models.Distance.COSINE)
            )
        except Exception:
            if not client.collection_exists(name):  # or another process was quicker
                raise
        if self._url:  # the local files are searched whole
            schema = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
            client.create_payload_index(name, "tenant", schema, wait=True)
        self._known.add(name)


def _forget_oldest(client: QdrantClient, name: str, most: int) -> None:
    """A tenth at once, so that it is seldom done."""
    from qdrant_client import models

    count = client.count(name).count
    if count > most:
        points, _ = client.scroll(name, limit=count, with_payload=["at"])
        points.sort(key=lambda point: (point.payload or {}).get("at", 0.0))
        oldest = [point.id for point in points[: count - most + most // 10]]
        client.delete(name, models.PointIdsList(points=oldest))


def collection_name(collection: Collection, model: str, vector: Vector) -> str:
    """Says which model's vectors it holds, and how long they are."""
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    plain = _PLAIN.sub("-", model).strip("-")[:40]
    return f"{collection}.{plain}.{digest}.{len(vector)}"


def _id(tenant: str, body: bytes) -> str:
    return str(uuid.uuid5(_IDS, f"{tenant}/{hashlib.sha256(body).hexdigest()}"))


def _body(payload: dict[str, object] | None, tenant: str) -> bytes:
    """Qdrant has filtered; that it did is not left to Qdrant."""
    body = (payload or {}).get("body")
    if not isinstance(body, str) or (payload or {}).get("tenant") != tenant:
        raise ValueError("a point of another tenant, or none of ours, was found")
    return body.encode()


def _address(url: str) -> tuple[str, str | None]:
    """http://:KEY@host:port is the server and its key."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, unquote(parts.password) if parts.password else None
