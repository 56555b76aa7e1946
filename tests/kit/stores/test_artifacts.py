"""Artifacts, in memory and on a real S3 server."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest

from contracts.events import Ref
from deploy.local.stack import Stack
from workers.kit.stores.artifacts import S3Artifacts, endpoint
from workers.kit.stores.buckets import ensure_bucket
from workers.kit.stores.drops import ArtifactLost, Artifacts, StoreDown
from workers.kit.stores.memory import MemoryArtifacts


@pytest.fixture
def s3(stack: Stack, bucket: str) -> S3Artifacts:
    return S3Artifacts(stack.urls.s3, bucket)


@pytest.fixture(params=["memory", "s3"])
def artifacts(request: pytest.FixtureRequest) -> Artifacts:
    if request.param == "memory":
        return MemoryArtifacts()
    found: Artifacts = request.getfixturevalue("s3")
    return found


async def test_bytes_come_back_from_the_address_of_their_digest(artifacts: Artifacts) -> None:
    body = b"some \0 code\xff"
    digest = sha256(body).hexdigest()
    ref = await artifacts.put("default", body)
    assert ref == Ref(key=f"artifacts/default/{digest[:2]}/{digest}", offset=0, length=len(body), sha256=digest)
    assert await artifacts.get(ref) == body


async def test_putting_twice_is_harmless(artifacts: Artifacts) -> None:
    assert await artifacts.put("default", b"x") == await artifacts.put("default", b"x")


async def test_tenants_share_no_object(artifacts: Artifacts) -> None:
    assert (await artifacts.put("one", b"x")).key != (await artifacts.put("two", b"x")).key


async def test_a_key_may_be_given(artifacts: Artifacts) -> None:
    ref = await artifacts.put("default", b"tar", key="capsules/default/W.tar.gz")
    assert ref.key == "capsules/default/W.tar.gz"
    assert await artifacts.get(ref) == b"tar"


async def test_nothing_and_much_can_be_kept(artifacts: Artifacts) -> None:
    for body in (b"", b"0123456789abcdef" * 500_000):
        ref = await artifacts.put("default", body)
        assert await artifacts.get(ref) == body


async def test_a_part_of_an_object_is_a_reference_too(artifacts: Artifacts) -> None:
    whole = await artifacts.put("default", b"abcdef")
    for offset, length in ((2, 3), (0, 2), (5, 1), (3, 0)):
        part = b"abcdef"[offset : offset + length]
        ref = Ref(key=whole.key, offset=offset, length=length, sha256=sha256(part).hexdigest())
        assert await artifacts.get(ref) == part


async def test_chunks_are_the_bytes(artifacts: Artifacts) -> None:
    ref = await artifacts.put("default", b"abc" * 400_000)
    assert b"".join([chunk async for chunk in artifacts.chunks(ref)]) == b"abc" * 400_000


async def test_a_missing_object_is_lost(artifacts: Artifacts) -> None:
    ref = Ref(key="artifacts/default/aa/none", offset=0, length=1, sha256="aa")
    with pytest.raises(ArtifactLost, match="artifacts/default/aa/none"):
        await artifacts.get(ref)


async def test_changed_bytes_are_lost_until_they_are_put_again(artifacts: Artifacts) -> None:
    ref = await artifacts.put("default", b"right")
    await artifacts.put("default", b"wrong", key=ref.key)
    with pytest.raises(ArtifactLost, match="does not hold the bytes"):
        await artifacts.get(ref)
    await artifacts.put("default", b"right")
    assert await artifacts.get(ref) == b"right"


async def test_a_shortened_object_is_lost(artifacts: Artifacts) -> None:
    ref = await artifacts.put("default", b"right")
    await artifacts.put("default", b"ri", key=ref.key)
    with pytest.raises(ArtifactLost):
        await artifacts.get(ref)
    with pytest.raises(ArtifactLost):
        await artifacts.get(msgspec.structs.replace(ref, offset=3, length=2))


async def test_a_tenant_can_not_climb(artifacts: Artifacts) -> None:
    with pytest.raises(ValueError, match="subject token"):
        await artifacts.put("../other", b"x")


async def test_no_server_or_wrong_keys_are_store_down(stack: Stack, bucket: str) -> None:
    gone = S3Artifacts("http://a:b@127.0.0.1:1", bucket)
    with pytest.raises(StoreDown):
        await gone.put("default", b"x")
    at = endpoint(stack.urls.s3)
    with pytest.raises(StoreDown, match="refused"):
        await S3Artifacts(f"http://{at.access}:wrong@{at.address}", bucket).put("default", b"x")
    with pytest.raises(StoreDown):
        await ensure_bucket("http://a:b@127.0.0.1:1", bucket)


async def test_a_bucket_is_made_once(stack: Stack) -> None:
    for _ in range(2):
        await ensure_bucket(stack.urls.s3, "made-by-a-test")
    artifacts = S3Artifacts(stack.urls.s3, "made-by-a-test")
    assert await artifacts.get(await artifacts.put("default", b"x")) == b"x"


def test_keys_in_a_url_are_decoded_and_errors_do_not_repeat_them() -> None:
    assert endpoint("https://a%2Fb:c%40d@host:9000").secret == "c@d"
    with pytest.raises(ValueError, match="http://ACCESS:SECRET") as caught:
        endpoint("ftp://key:hidden@host")
    assert "hidden" not in str(caught.value)
