"""Small artifacts are read by blocks: every byte where it belongs, one request for all who ask at once."""

from __future__ import annotations

import asyncio
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Ref
from workers.kit.stores.blocks import Blocks
from workers.kit.stores.cache import BIGGEST, Cache
from workers.kit.stores.drops import StoreDown

OBJECT = bytes(number % 251 for number in range(2 * BIGGEST + 1000))


def ref_of(offset: int, length: int, key: str = "packs/default/aa/x") -> Ref:
    return Ref(key=key, offset=offset, length=length, sha256=sha256(OBJECT[offset : offset + length]).hexdigest())


class Server:
    """Serves one object at every key, when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def fetch(self, key: str, start: int, most: int) -> bytes:
        self.asked.append((key, start, most))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return OBJECT[start : start + most]


@given(offset=st.integers(0, len(OBJECT)), length=st.integers(0, 80_000), warm=st.booleans())
def test_what_is_read_is_what_lies_there_or_left_to_others(offset: int, length: int, warm: bool) -> None:
    async def read() -> bytes | None:
        server = Server()
        reader = Blocks(server.fetch, Cache())
        if warm:
            await reader.read(ref_of(0, 1))
        body = await reader.read(ref_of(offset, length))
        assert len(server.asked) <= 1 + warm
        return body

    across = offset // BIGGEST != (offset + max(length, 1) - 1) // BIGGEST
    assert asyncio.run(read()) == (None if across else OBJECT[offset : offset + length])


async def test_all_who_ask_at_once_share_one_request_and_later_ones_make_none() -> None:
    server = Server()
    server.open.clear()
    reader = Blocks(server.fetch, Cache())
    reading = [asyncio.create_task(reader.read(ref_of(place * 100, 100))) for place in range(20)]
    await asyncio.sleep(0)
    reading[0].cancel()  # the one whose request it is
    server.open.set()
    told = await asyncio.gather(*reading, return_exceptions=True)
    assert isinstance(told[0], asyncio.CancelledError)
    assert told[1:] == [OBJECT[place * 100 : place * 100 + 100] for place in range(1, 20)]
    assert await reader.read(ref_of(BIGGEST - 7, 7)) == OBJECT[BIGGEST - 7 : BIGGEST]
    assert server.asked == [("packs/default/aa/x", 0, BIGGEST)]


async def test_objects_are_kept_apart() -> None:
    server = Server()
    reader = Blocks(server.fetch, Cache())
    for key in ("packs/one/aa/x", "packs/two/aa/x"):
        await reader.read(ref_of(0, 5, key))
    assert [key for key, _, _ in server.asked] == ["packs/one/aa/x", "packs/two/aa/x"]


async def test_an_error_is_told_to_all_and_remembered_by_none() -> None:
    server = Server()
    server.error = StoreDown("S3: away")
    reader = Blocks(server.fetch, Cache())
    told = await asyncio.gather(*(reader.read(ref_of(0, 5)) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in told] == ["S3: away"] * 3
    server.error = None
    assert await reader.read(ref_of(0, 5)) == OBJECT[:5]


async def test_blocks_count_as_memory() -> None:
    kept = Cache(3 * BIGGEST)
    reader = Blocks(Server().fetch, kept)
    for number in range(10):
        await reader.read(ref_of(0, 5, f"packs/default/aa/{number}"))
        assert kept.size <= 3 * BIGGEST
