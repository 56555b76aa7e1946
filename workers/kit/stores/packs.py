"""Packing: small bodies of one tenant that wait at the same time share one object, so that one put stores many.

Nothing waits for company: the first body goes at once, and what arrives while puts are under way goes together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from contracts.events import Ref

from .drops import StoreDown
from .keys import artifact_key, pack_key

SMALL = 64 * 1024
"""A body above this is an object of its own."""

FLIGHTS = 2
"""Puts of one tenant under way at once: more would only make the packs smaller."""

MOST_BODIES = 256
MOST_BYTES = 4 << 20

Store = Callable[[str, bytes], Awaitable[None]]
"""Puts an object at a key; raises `StoreDown`."""


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """One object to put, and for each digest in it where its body lies."""

    key: str
    body: bytes
    refs: Mapping[str, Ref]


def packed(tenant: str, bodies: Mapping[str, bytes]) -> Pack:
    """The object that holds these bodies, by their digests: one alone lies at its own address."""
    whole = b"".join(bodies.values())
    alone = len(bodies) == 1
    key = artifact_key(tenant, next(iter(bodies))) if alone else pack_key(tenant, sha256(whole).hexdigest())
    refs, offset = {}, 0
    for digest, body in bodies.items():
        refs[digest] = Ref(key=key, offset=offset, length=len(body), sha256=digest)
        offset += len(body)
    return Pack(key=key, body=whole, refs=refs)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A body and whoever waits for its place; a waiter who gave up no longer does."""

    digest: str
    body: bytes
    place: asyncio.Future[Ref]


def taken(waiting: deque[Waiting]) -> list[Waiting]:
    """Take the oldest bodies that one object may hold; of those nobody waits for any more, none."""
    batch: list[Waiting] = []
    size = 0
    while waiting and len(batch) < MOST_BODIES and (not batch or size + len(waiting[0].body) <= MOST_BYTES):
        entry = waiting.popleft()
        if not entry.place.done():
            batch.append(entry)
            size += len(entry.body)
    return batch


@dataclass(slots=True)
class _Lane:
    waiting: deque[Waiting] = field(default_factory=deque)
    flights: int = 0


class Packer:
    """Puts small bodies through `store`, each tenant's on its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lanes: dict[str, _Lane] = {}
        self._flights: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether a put is under way."""
        return bool(self._lanes)

    async def put(self, tenant: str, body: bytes, digest: str) -> Ref:
        """Where the body lies, once it does. Raises `StoreDown`."""
        artifact_key(tenant, digest)  # a bad tenant is this caller's mistake, not that of all who share the object
        lane = self._lanes.setdefault(tenant, _Lane())
        place: asyncio.Future[Ref] = asyncio.get_running_loop().create_future()
        lane.waiting.append(Waiting(digest, body, place))
        if lane.flights < FLIGHTS:
            lane.flights += 1
            flight = asyncio.create_task(self._fly(tenant, lane))
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        return await place

    async def _fly(self, tenant: str, lane: _Lane) -> None:
        try:
            while batch := taken(lane.waiting):
                await self._put(tenant, batch)
        finally:
            lane.flights -= 1
            if not lane.flights:
                del self._lanes[tenant]

    async def _put(self, tenant: str, batch: list[Waiting]) -> None:
        pack = packed(tenant, {entry.digest: entry.body for entry in batch})
        try:
            await self._store(pack.key, pack.body)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            _tell(batch, error)
        else:
            for entry in batch:
                if not entry.place.done():
                    entry.place.set_result(pack.refs[entry.digest])


def _tell(batch: Iterable[Waiting], error: Exception) -> None:
    for entry in batch:
        if not entry.place.done():
            entry.place.set_exception(StoreDown(str(error)) if isinstance(error, StoreDown) else error)
