"""The part of Qdrant's REST API that we use, on loopback, before the client's own local mode.

HTTP, the key and what goes over the wire are real; Qdrant's server is not: none can be had where the tests run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Self

import msgspec
from qdrant_client import QdrantClient, models

from tests.providers.http import Connection, Request, Response

_PATH = re.compile(r"(GET|PUT|POST) /collections/([^/]+)(/.+)?")


class Rest:
    """A server for one key. With `everybody` it forgets the filter of a search, as one that is broken might."""

    def __init__(self, key: str, *, everybody: bool = False) -> None:
        self.asked: list[str] = []
        self.everybody = everybody
        self._key = key
        self._open: set[Connection] = set()
        self._held = QdrantClient(":memory:")

    @property
    def url(self) -> str:
        return f"http://:{self._key}@127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._handled, self._open), "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.close()
        await self._server.wait_closed()
        self._held.close()

    async def _handled(self, request: Request, response: Response) -> None:
        found = _PATH.fullmatch(f"{request.method} {request.path}")
        if request.headers.get("api-key") != self._key:
            response.whole(401, b'{"status":{"error":"Invalid API key"}}')
            return
        answer = self._answers.get(f"{found[1]} {found[3] or ''}") if found else None
        if not found or not answer:
            response.whole(404, b'{"status":{"error":"Not found"}}')
            return
        self.asked.append(f"{found[1]} {found[3] or ''}")
        told = answer(found[2], msgspec.json.decode(request.body) if request.body else {})
        response.whole(200, msgspec.json.encode({"result": told, "status": "ok", "time": 0.001}))

    @property
    def _answers(self) -> dict[str, Callable[[str, Any], object]]:
        return {
            "GET /exists": self._exists,
            "PUT ": self._create,
            "PUT /index": lambda *_: _DONE,
            "PUT /points": self._upsert,
            "POST /points/query/batch": self._query,
        }

    def _exists(self, name: str, _: Any) -> object:
        return {"exists": self._held.collection_exists(name)}

    def _create(self, name: str, body: Any) -> object:
        vectors = models.CreateCollection.model_validate(body).vectors
        return self._held.create_collection(name, vectors_config=vectors)

    def _upsert(self, name: str, body: Any) -> object:
        self._held.upsert(name, models.PointsList.model_validate(body).points)
        return _DONE

    def _query(self, name: str, body: Any) -> object:
        asked = [models.QueryRequest.model_validate(one) for one in body["searches"]]
        if self.everybody:
            asked = [one.model_copy(update={"filter": None}) for one in asked]
        return [found.model_dump(mode="json") for found in self._held.query_batch_points(name, asked)]


_DONE = {"operation_id": 1, "status": "completed"}
