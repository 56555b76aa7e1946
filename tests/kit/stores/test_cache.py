"""The cache of artifacts: bounded, least lately used first out, and never the bytes of another place."""

from __future__ import annotations

import tracemalloc
from hashlib import sha256

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Ref
from workers.kit.stores.cache import BIGGEST, OVERHEAD, Cache
from workers.kit.stores.keys import artifact_key


def ref_of(body: bytes, tenant: str = "default") -> Ref:
    digest = sha256(body).hexdigest()
    return Ref(key=artifact_key(tenant, digest), offset=0, length=len(body), sha256=digest)


def test_equal_bytes_of_two_tenants_are_two_entries() -> None:
    cache = Cache()
    cache.keep(ref_of(b"x", "one"), b"x")
    assert cache.get(ref_of(b"x", "one")) == b"x"
    assert cache.get(ref_of(b"x", "two")) is None
    assert cache.get(msgspec.structs.replace(ref_of(b"x", "one"), offset=1)) is None


def test_the_least_lately_used_goes_first() -> None:
    cache = Cache(3 * (1 + OVERHEAD))
    for body in (b"a", b"b", b"c"):
        cache.keep(ref_of(body), body)
    cache.get(ref_of(b"a"))
    cache.keep(ref_of(b"d"), b"d")
    assert [cache.get(ref_of(body)) for body in (b"a", b"b", b"c", b"d")] == [b"a", None, b"c", b"d"]


@given(st.lists(st.integers(0, 3000), max_size=60))
def test_it_never_holds_more_than_it_may(sizes: list[int]) -> None:
    cache = Cache(20_000)
    for number, size in enumerate(sizes):
        body = number.to_bytes(2, "big") * size
        cache.keep(ref_of(body), body)
        assert cache.size <= 20_000
    cache.clear()
    assert cache.size == 0


def test_a_big_body_is_not_kept_nor_anything_without_room() -> None:
    body = bytes(BIGGEST + 1)
    cache = Cache()
    cache.keep(ref_of(body), body)
    assert cache.get(ref_of(body)) is None
    none = Cache(0)
    none.keep(ref_of(b""), b"")
    assert none.get(ref_of(b"")) is None


def test_what_it_counts_is_what_it_takes() -> None:
    """Bodies of every size, many more than fit: the process grows by no more than was allowed."""
    tracemalloc.start()
    try:
        cache = Cache(2 << 20)
        for number in range(20_000):
            body = b"%d" % number * (number % 300)
            cache.keep(ref_of(body), body)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 1 << 20 < cache.size <= 2 << 20
    assert held <= cache.size * 1.1
