"""Artifacts in S3, over obstore: put at their sha256 (small ones together), checked at every read from the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from urllib.parse import unquote, urlsplit

import msgspec
import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from contracts.events import Ref

from .blocks import Blocks
from .cache import MOST_BYTES, Cache
from .drops import ArtifactLost, StoreDown
from .keys import artifact_key
from .packs import SMALL, Packer

REGION = "us-east-1"
LOOK_S = 2.0
"""For a look whether an object is there: whoever looks holds a lock and a connection of the database meanwhile."""
_CHUNK = 256 * 1024


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of http://ACCESS:SECRET@host:port."""

    address: str
    access: str
    secret: str
    secure: bool

    @property
    def url(self) -> str:
        """Without the keys."""
        return f"{'https' if self.secure else 'http'}://{self.address}"


def endpoint(url: str) -> Endpoint:
    """The parts of an S3 URL; raises ValueError, without repeating the keys."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.username or not parts.password:
        raise ValueError("an S3 URL must be http://ACCESS:SECRET@host:port")
    address = parts.netloc.rpartition("@")[2]
    return Endpoint(
        address=address,
        access=unquote(parts.username),
        secret=unquote(parts.password),
        secure=parts.scheme == "https",
    )


def open_store(url: str, bucket: str) -> S3Store:
    """One bucket of the server at the URL; nothing is sent yet."""
    at = endpoint(url)
    return S3Store(
        bucket,
        endpoint=at.url,
        access_key_id=at.access,
        secret_access_key=at.secret,
        region=REGION,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": timedelta(seconds=30)},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=5)},
    )


class S3Artifacts:
    """Artifacts in one bucket. A put never asks first whether the object is there: so a damaged one is healed.

    `get` may answer from this process's memory, where the bytes are right but tell nothing of the object: a loss is
    then found by the next process that reads it. Who must know whether the object is there reads `chunks`.
    """

    def __init__(self, url: str, bucket: str, *, cache_bytes: int = MOST_BYTES) -> None:
        self.cache = Cache(cache_bytes)
        self._store = open_store(url, bucket)
        self._packer = Packer(self._put)
        self._blocks = Blocks(self._range, self.cache)

    async def put(self, tenant: str, body: bytes, *, key: str = "") -> Ref:
        digest = sha256(body).hexdigest()
        if not key and len(body) <= SMALL:
            ref = await self._packer.put(tenant, body, digest)
        else:
            ref = Ref(key=key or artifact_key(tenant, digest), offset=0, length=len(body), sha256=digest)
            await self._put(ref.key, body)
        self.cache.keep(ref, body)
        return ref

    async def _put(self, key: str, body: bytes) -> None:
        try:
            await obstore.put_async(self._store, key, body)
        except (BaseError, OSError) as error:
            raise store_down(error) from error

    async def get(self, ref: Ref) -> bytes:
        body = self.cache.get(ref)
        if body is None:
            body = await self._blocks.read(ref)
            if body is None or sha256(body).hexdigest() != ref.sha256:  # then the store has the last word
                body = b"".join([chunk async for chunk in self.chunks(ref)])
                self.cache.keep(ref, body)
        return body

    async def held(self, ref: Ref) -> bool:
        try:
            with _telling(ref.key):
                async with asyncio.timeout(LOOK_S):
                    await obstore.head_async(self._store, ref.key)
        except ArtifactLost:
            return False
        return True

    async def chunks(self, ref: Ref) -> AsyncIterator[bytes]:
        digest = sha256()
        if ref.length:
            async for body in self._read(ref):
                digest.update(body)
                yield body
        if digest.hexdigest() != ref.sha256:
            raise ArtifactLost(f"{ref.key} does not hold the bytes that were written (sha256 {ref.sha256})")

    async def _read(self, ref: Ref) -> AsyncIterator[bytes]:
        wanted: obstore.GetOptions = {"range": (ref.offset, ref.offset + ref.length)}
        with _telling(ref.key):
            found = await obstore.get_async(self._store, ref.key, options=wanted)
            async for chunk in found.stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)

    async def _range(self, key: str, start: int, most: int) -> bytes:
        with _telling(key):
            return bytes(await obstore.get_range_async(self._store, key, start=start, length=most))


@contextmanager
def _telling(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ArtifactLost(f"{key} is not in the store") from None
    except (BaseError, OSError) as error:
        if "416 Range Not Satisfiable" in str(error):
            raise ArtifactLost(f"{key} is shorter than what was written") from None
        raise store_down(error) from error


def store_down(error: Exception) -> StoreDown:
    """What an error of the client means."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return StoreDown("S3: the keys are refused")
    if isinstance(error, TimeoutError):
        return StoreDown("S3 does not answer")
    return StoreDown(f"S3: {str(error).splitlines()[0][:300]}")
