"""The plan of a pack, and who hears what when bodies share an object."""

from __future__ import annotations

import asyncio
from collections import deque
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Ref
from workers.kit.stores import packs
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.packs import MOST_BODIES, MOST_BYTES, Packer, Waiting, packed, taken

_BODIES = {size: bytes(size) for size in (0, 9, 65536, MOST_BYTES // 2, MOST_BYTES)}
"""One of each size that matters."""


def digest(body: bytes) -> str:
    return sha256(body).hexdigest()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30))
def test_every_body_lies_where_its_reference_says_and_equal_ones_once(bodies: list[bytes]) -> None:
    pack = packed("default", {digest(body): body for body in bodies})
    for body in bodies:
        ref = pack.refs[digest(body)]
        assert pack.body[ref.offset : ref.offset + ref.length] == body
        assert (ref.key, ref.sha256) == (pack.key, digest(body))
    assert len(pack.body) == sum(len(body) for body in set(bodies))
    alone = len(set(bodies)) == 1
    assert pack.key.startswith("artifacts/default/" if alone else "packs/default/")
    assert pack.key.endswith(f"/{digest(pack.body)[:2]}/{digest(pack.body)}")


@given(st.lists(st.tuples(st.sampled_from(sorted(_BODIES)), st.booleans()), max_size=600))
def test_batches_take_every_wanted_body_once_in_order_and_within_the_bounds(plan: list[tuple[int, bool]]) -> None:
    loop = asyncio.new_event_loop()
    entries = []
    for number, (size, given_up) in enumerate(plan):
        place: asyncio.Future[Ref] = loop.create_future()
        if given_up:
            place.cancel()
        entries.append(Waiting(str(number), _BODIES[size], place))
    waiting, batches = deque(entries), []
    while batch := taken(waiting):
        batches.append(batch)
    loop.close()
    assert [entry for batch in batches for entry in batch] == [e for e in entries if not e.place.cancelled()]
    assert not waiting
    for batch in batches:
        assert len(batch) <= MOST_BODIES
        assert len(batch) == 1 or sum(len(entry.body) for entry in batch) <= MOST_BYTES


class Objects:
    """A store whose puts wait until they are let go."""

    def __init__(self) -> None:
        self.puts: list[tuple[str, bytes]] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def put(self, key: str, body: bytes) -> None:
        self.puts.append((key, body))
        await self.open.wait()
        if self.error is not None:
            raise self.error


async def waiting_for(packer: Packer, *bodies: bytes, tenant: str = "default") -> list[asyncio.Task[Ref]]:
    """Each put on its own, as by stages that finish one after another."""
    tasks = []
    for body in bodies:
        tasks.append(asyncio.create_task(packer.put(tenant, body, digest(body))))
        await asyncio.sleep(0.001)
    return tasks


async def test_the_first_go_at_once_and_what_piles_up_goes_together() -> None:
    objects = Objects()
    tasks = await waiting_for(Packer(objects.put), b"a", b"b", b"c", b"d", b"c")
    assert [body for _, body in objects.puts] == [b"a", b"b"]
    objects.open.set()
    refs = await asyncio.gather(*tasks)
    assert [body for _, body in objects.puts] == [b"a", b"b", b"cd"]
    assert refs[2] == refs[4]
    assert [ref.offset for ref in refs] == [0, 0, 0, 1, 0]


async def test_no_object_holds_bodies_of_two_tenants() -> None:
    objects = Objects()
    packer = Packer(objects.put)
    tasks = await waiting_for(packer, b"a", b"b", b"c", b"d", tenant="one")
    tasks += await waiting_for(packer, b"w", b"x", b"y", b"z", tenant="two")
    objects.open.set()
    await asyncio.gather(*tasks)
    for key, body in objects.puts:
        assert set(body) <= set(b"abcd" if key.split("/")[1] == "one" else b"wxyz")


async def test_a_put_that_fails_fails_all_who_waited_for_it_and_no_other() -> None:
    objects = Objects()
    objects.error = StoreDown("S3: away")
    packer = Packer(objects.put)
    tasks = await waiting_for(packer, b"a", b"b", b"c", b"d")
    objects.open.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error) for error in told] == ["S3: away"] * 4
    assert len({id(error) for error in told}) == 4
    objects.error = None
    assert (await packer.put("default", b"a", digest(b"a"))).length == 1


async def test_a_mistake_in_the_store_reaches_those_who_wait() -> None:
    objects = Objects()
    objects.error = ValueError("no such thing")
    objects.open.set()
    with pytest.raises(ValueError, match="no such thing"):
        await Packer(objects.put).put("default", b"a", digest(b"a"))


async def test_one_who_gives_up_harms_nobody_and_is_not_stored() -> None:
    objects = Objects()
    tasks = await waiting_for(Packer(objects.put), b"a", b"b", b"c", b"d", b"e")
    for given_up in (0, 3):
        tasks[given_up].cancel()
    await asyncio.sleep(0)
    objects.open.set()
    refs = await asyncio.gather(*tasks, return_exceptions=True)
    assert [body for _, body in objects.puts] == [b"a", b"b", b"ce"]
    assert [isinstance(ref, Ref) for ref in refs] == [False, True, True, False, True]


async def test_a_full_pack_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MOST_BODIES", 3)
    objects = Objects()
    tasks = await waiting_for(Packer(objects.put), *(b"%d" % number for number in range(9)))
    objects.open.set()
    await asyncio.gather(*tasks)
    assert [len(body) for _, body in objects.puts] == [1, 1, 3, 3, 1]


async def test_nothing_is_left_of_a_tenant_that_puts_no_more() -> None:
    objects = Objects()
    objects.open.set()
    packer = Packer(objects.put)
    for number in range(5):
        await packer.put(f"t{number}", b"a", digest(b"a"))
    await asyncio.sleep(0)
    assert not packer.busy
