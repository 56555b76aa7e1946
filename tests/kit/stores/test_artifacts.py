"""Artifacts, in memory and on a real S3 server."""

from __future__ import annotations

import asyncio
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


async def looked(artifacts: Artifacts, ref: Ref) -> bytes:
    """The bytes as they lie in the store."""
    return b"".join([chunk async for chunk in artifacts.chunks(ref)])


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


async def test_it_tells_whether_an_object_is_there(artifacts: Artifacts) -> None:
    ref = await artifacts.put("default", b"x" * 70_000)
    gone = msgspec.structs.replace(ref, key=f"{ref.key}0")
    assert [await artifacts.held(ref), await artifacts.held(gone)] == [True, False]


async def test_a_missing_object_is_lost(artifacts: Artifacts) -> None:
    ref = Ref(key="artifacts/default/aa/none", offset=0, length=1, sha256="aa")
    with pytest.raises(ArtifactLost, match="artifacts/default/aa/none"):
        await artifacts.get(ref)


async def test_changed_bytes_are_lost_until_they_are_put_again(artifacts: Artifacts) -> None:
    ref = await artifacts.put("default", b"right")
    await artifacts.put("default", b"wrong", key=ref.key)
    with pytest.raises(ArtifactLost, match="does not hold the bytes"):
        await looked(artifacts, ref)
    await artifacts.put("default", b"right")
    assert await looked(artifacts, ref) == b"right"


async def test_a_shortened_object_is_lost(artifacts: Artifacts) -> None:
    ref = await artifacts.put("default", b"right")
    await artifacts.put("default", b"ri", key=ref.key)
    with pytest.raises(ArtifactLost):
        await looked(artifacts, ref)
    with pytest.raises(ArtifactLost):
        await artifacts.get(msgspec.structs.replace(ref, offset=3, length=2))


async def test_small_bodies_that_wait_share_an_object_of_their_tenant(
    s3: S3Artifacts, stack: Stack, bucket: str
) -> None:
    bodies = [b"%d" % number * 500 for number in range(300)]
    kept = [(tenant, body) for body in bodies for tenant in ("one", "two")]
    refs = await asyncio.gather(*(s3.put(tenant, body) for tenant, body in kept))
    assert len({ref.key for ref in refs}) <= 10
    fresh = S3Artifacts(stack.urls.s3, bucket)
    for (tenant, body), ref in zip(kept, refs, strict=True):
        assert ref.key.startswith((f"packs/{tenant}/", f"artifacts/{tenant}/"))
        assert ref.sha256 == sha256(body).hexdigest()
    assert [await fresh.get(ref) for ref in refs[::20]] == [body for _, body in kept[::20]]


async def test_one_byte_of_damage_in_a_pack_loses_exactly_the_artifact_it_belongs_to(
    s3: S3Artifacts, stack: Stack, bucket: str
) -> None:
    refs = await asyncio.gather(*(s3.put("default", b"body %d" % number) for number in range(8)))
    (key,) = {ref.key for ref in refs}
    whole = bytearray(b"".join([b"body %d" % number for number in range(8)]))
    whole[refs[5].offset + 2] ^= 1
    await s3.put("default", bytes(whole), key=key)
    fresh = S3Artifacts(stack.urls.s3, bucket)
    for number, ref in enumerate(refs):
        if number == 5:
            with pytest.raises(ArtifactLost, match=ref.sha256):
                await fresh.get(ref)
        else:
            assert await fresh.get(ref) == b"body %d" % number


async def test_what_was_put_or_read_is_read_again_without_the_store(s3: S3Artifacts, stack: Stack, bucket: str) -> None:
    ref = await s3.put("default", b"right")
    reader = S3Artifacts(stack.urls.s3, bucket)
    assert await reader.get(ref) == b"right"
    await s3.put("default", b"wrong", key=ref.key)
    for artifacts in (s3, reader):
        assert await artifacts.get(ref) == b"right"
        with pytest.raises(ArtifactLost):
            await looked(artifacts, ref)
    reader.cache.clear()
    with pytest.raises(ArtifactLost):
        await reader.get(ref)


async def test_neighbours_in_a_pack_come_with_one_request_and_are_checked_each(
    s3: S3Artifacts, stack: Stack, bucket: str
) -> None:
    bodies = [b"body %d" % number for number in range(8)] + [b""]
    refs = await asyncio.gather(*(s3.put("default", body) for body in bodies))
    reader = S3Artifacts(stack.urls.s3, bucket)
    assert await reader.get(refs[0]) == bodies[0]
    await s3.put("default", b"x" * 56, key=refs[0].key)
    assert [await reader.get(ref) for ref in refs] == bodies
    wrong = msgspec.structs.replace(refs[3], sha256=refs[4].sha256)
    with pytest.raises(ArtifactLost, match=refs[4].sha256):
        await reader.get(wrong)


async def test_a_reference_into_another_object_is_never_answered_from_memory(s3: S3Artifacts) -> None:
    ref = await s3.put("one", b"secret of one")
    for key in (ref.key.replace("/one/", "/two/"), ref.key + "0"):
        with pytest.raises(ArtifactLost, match="is not in the store"):
            await s3.get(msgspec.structs.replace(ref, key=key))


async def test_a_tenant_can_not_climb(artifacts: Artifacts) -> None:
    with pytest.raises(ValueError, match="subject token"):
        await artifacts.put("../other", b"x")


async def test_no_server_or_wrong_keys_are_store_down(stack: Stack, bucket: str) -> None:
    gone = S3Artifacts("http://a:b@127.0.0.1:1", bucket)
    told = await asyncio.gather(*(gone.put("default", b"%d" % number) for number in range(3)), return_exceptions=True)
    assert [type(error) for error in told] == [StoreDown] * 3
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
