"""Objects without a drop are collected once they are old; nothing else ever is."""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import sha256
from typing import Any

import obstore
import pytest

from contracts.events import Ref
from deploy.local.stack import Stack
from tests.kit.stores.world import World
from tests.servers import Database
from workers.kit.stores import orphans
from workers.kit.stores.artifacts import S3Artifacts, open_store
from workers.kit.stores.drops import ArtifactLost, Completed, StoreDown
from workers.kit.stores.foreign import ForeignDrop
from workers.kit.stores.keys import artifact_key
from workers.kit.stores.orphans import HANDFUL, Collected, Unsafe, collect, delete
from workers.kit.stores.pg import Pool, open_pool, referenced
from workers.kit.stores.pg.foreign import PgForeignDrops


@pytest.fixture
def s3(stack: Stack, bucket: str) -> S3Artifacts:
    return S3Artifacts(stack.urls.s3, bucket)


async def together(s3: S3Artifacts, *bodies: bytes) -> list[Ref]:
    """Put at the same moment, so in one object."""
    refs = await asyncio.gather(*(s3.put("default", body) for body in bodies))
    assert len({ref.key for ref in refs}) == 1
    return list(refs)


async def there(stack: Stack, bucket: str) -> set[str]:
    store = open_store(stack.urls.s3, bucket)
    return {found["path"] async for page in obstore.list(store) for found in page}


async def commit(world: World, workflow: str, stage: str, ref: Ref) -> None:
    await world.commit(stage, workflow, Completed(artifact=ref, media_type="application/json"))


async def test_what_no_drop_refers_to_goes_and_everything_else_stays(
    s3: S3Artifacts, stack: Stack, bucket: str, pg_world: World, worker_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = await pg_world.submit()
    alone, pack = await s3.put("default", b"alone"), await together(s3, b"one", b"two", b"three")
    loose, loose_pack = await s3.put("default", b"loose"), await together(s3, b"four", b"five")
    twin = await together(s3, b"alone", b"six")
    capsule = await s3.put("default", b"tar", key="capsules/default/W.tar.gz")
    odd = await s3.put("default", b"odd", key="artifacts/default/zz/not-of-ours")
    await commit(pg_world, workflow, "plan", alone)
    await commit(pg_world, workflow, "code", pack[1])
    before = await there(stack, bucket)
    lost = {loose.key, loose_pack[0].key, twin[0].key}
    size = len(b"loose" + b"fourfive" + b"alonesix")

    async def run(**how: object) -> Collected:
        return await collect(stack.urls.s3, bucket, worker_pool, **how)  # type: ignore[arg-type]

    assert await run() == Collected(old=0, orphans=0, bytes=0)
    assert await run(older_s=0, dry_run=True) == Collected(old=5, orphans=3, bytes=size)
    assert await there(stack, bucket) == before
    monkeypatch.setattr(orphans, "PAGE", 2)
    assert await run(older_s=0) == Collected(old=5, orphans=3, bytes=size)
    assert await there(stack, bucket) == before - lost
    assert {capsule.key, odd.key, alone.key, pack[0].key} == before - lost
    fresh = S3Artifacts(stack.urls.s3, bucket)
    assert [await fresh.get(ref) for ref in (alone, pack[1])] == [b"alone", b"two"]
    assert await run(older_s=0) == Collected(old=2, orphans=0, bytes=0)


async def test_one_that_was_put_again_since_it_was_listed_stays(
    s3: S3Artifacts, stack: Stack, bucket: str, worker_pool: Pool
) -> None:
    store = open_store(stack.urls.s3, bucket)
    again, loose = await s3.put("default", b"again"), await s3.put("default", b"loose")
    await asyncio.sleep(3)
    await s3.put("default", b"again")
    wanted = [again.key, loose.key, "artifacts/default/aa/gone"]
    assert await delete(store, worker_pool, wanted, older_s=2) == [loose.key]
    assert await there(stack, bucket) == {again.key}


@pytest.mark.parametrize("first", ["the drop", "the collector"])
async def test_an_upload_gets_its_drop_or_is_collected_never_both(
    s3: S3Artifacts, stack: Stack, bucket: str, pg_world: World, worker_pool: Pool, gateway_pool: Pool, first: str
) -> None:
    """It lay there for long without one, and both come at the same moment: whoever is later waits, and sees."""
    uploaded = await s3.put("default", b"mine", key=artifact_key("default", sha256(b"mine").hexdigest()))
    made: dict[str, Any] = {
        "stage": "x_mine",
        "revision": 1,
        "state": "completed",
        "artifact": uploaded,
        "media_type": "text/plain",
    }
    drop = ForeignDrop(tenant="default", workflow=await pg_world.submit(), **made)
    looking, go_on = asyncio.Event(), asyncio.Event()

    async def held(ref: Ref) -> bool:
        looking.set()
        await go_on.wait()
        return await s3.held(ref)

    collected = partial(delete, open_store(stack.urls.s3, bucket), worker_pool, [uploaded.key], older_s=0)
    if first == "the collector":
        go_on.set()
        assert await collected() == [uploaded.key]
        with pytest.raises(ArtifactLost):
            await PgForeignDrops(gateway_pool).add(drop, held)
        assert await pg_world.told(drop.workflow) == ["workflow.submitted.1"]
        return
    adding = asyncio.create_task(PgForeignDrops(gateway_pool).add(drop, held))
    await looking.wait()
    collecting = asyncio.create_task(collected())
    done, _ = await asyncio.wait([collecting], timeout=0.3)
    assert not done, "it waits"
    go_on.set()
    assert await adding
    assert await collecting == []
    assert await there(stack, bucket) == {uploaded.key}


async def test_without_the_store_nothing_is_collected(bucket: str, worker_pool: Pool) -> None:
    with pytest.raises(StoreDown):
        await collect("http://a:b@127.0.0.1:1", bucket, worker_pool, older_s=0)


@pytest.mark.parametrize("role", ["gateway", "worker, no tables"])
async def test_a_database_that_does_not_see_every_drop_is_refused(
    s3: S3Artifacts, stack: Stack, bucket: str, database: Database, role: str
) -> None:
    await s3.put("default", b"one")
    dsn = database.gateway if role == "gateway" else stack.database_for("ql_worker")  # where nobody has migrated
    pool = await open_pool(dsn, 1)
    try:
        for how in ({}, {"dry_run": True}, {"force": True}):
            with pytest.raises(Unsafe, match=r"ql_worker|no drops at all"):
                await collect(stack.urls.s3, bucket, pool, older_s=0, **how)
    finally:
        await pool.close()
    assert len(await there(stack, bucket)) == 1


async def test_the_owner_of_every_row_may_collect(
    s3: S3Artifacts, stack: Stack, bucket: str, database: Database
) -> None:
    await s3.put("default", b"one")
    pool = await open_pool(database.admin, 1)
    assert (await collect(stack.urls.s3, bucket, pool, older_s=0)).orphans == 1
    await pool.close()


async def test_more_orphans_than_puts_leave_are_deleted_by_force_only(
    s3: S3Artifacts, stack: Stack, bucket: str, worker_pool: Pool
) -> None:
    """As when the database is new, restored, or another installation's."""
    for n in range(HANDFUL + 1):
        await s3.put("default", b"%d" % n)
    before = await there(stack, bucket)
    with pytest.raises(Unsafe, match=f"{HANDFUL + 1} of {HANDFUL + 1} old artifacts"):
        await collect(stack.urls.s3, bucket, worker_pool, older_s=0)
    assert await there(stack, bucket) == before
    assert (await collect(stack.urls.s3, bucket, worker_pool, older_s=0, dry_run=True)).orphans == HANDFUL + 1
    assert (await collect(stack.urls.s3, bucket, worker_pool, older_s=0, force=True)).orphans == HANDFUL + 1
    assert await there(stack, bucket) == set()


async def test_packs_are_asked_for_by_their_index(worker_pool: Pool) -> None:
    async with worker_pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {referenced.PACKS}", ["packs/default/aa/x"])
    assert "drops_pack" in " ".join(line[0] for line in plan)
