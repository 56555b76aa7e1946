"""F16: both branches of a join commit at the same moment, thousands of times, on the store alone: each fires once."""

from __future__ import annotations

import asyncio
from functools import partial

from ulid import ULID

from contracts.artifacts import Submission
from contracts.events import Ref
from tests.chaos.case import Case, Seen
from tests.chaos.graph import TOPOLOGY
from tests.chaos.world import TENANT, World
from workers.kit.stores.drops import Claim, Completed
from workers.kit.stores.pg import PgDrops, open_pool

AT_ONCE = 24
READY = """
    WITH w AS (
        INSERT INTO workflows (id, tenant, prompt, language, body_sha256, deadline, created_at)
        SELECT id, $2, '{}', 'python', '\\x00', now() + interval '1 hour', now() FROM unnest($1::text[]) AS id
        RETURNING id
    )
    INSERT INTO drops (
        workflow_id, tenant, stage, revision, state, epoch, attempts, lease_until, artifact_key, artifact_offset,
        artifact_length, artifact_sha256, media_type, created_at, updated_at
    )
    SELECT id, $2, stage, 1, state, 1, 1, lease, key, 0, 1, sha256, 'application/json', now(), now()
    FROM w, (VALUES
        ('root', 'completed', NULL, 'k', repeat('0', 64)),
        ('left', 'running', now() + interval '1 hour', NULL, NULL),
        ('right', 'running', now() + interval '1 hour', NULL, NULL)
    ) AS given (stage, state, lease, key, sha256)
"""
ARTIFACT = Completed(artifact=Ref(key="k", offset=0, length=1, sha256="1" * 64), media_type="application/json")


async def raced(world: World, races: int) -> Seen:
    """Two workers of their own connections; each commits its branch and then looks at the join."""
    await world.staff(0)
    workflows = [str(ULID()) for _ in range(races)]
    dsn = world.stack.database_for("ql_worker")
    pools = [await open_pool(dsn, AT_ONCE) for _ in range(2)]
    stores = [PgDrops(pool, TOPOLOGY) for pool in pools]
    fired = []
    try:
        for first in range(0, races, 500):
            batch = workflows[first : first + 500]
            await world.fetch(READY, batch, TENANT)
            gate = asyncio.Semaphore(AT_ONCE)
            fired += await asyncio.gather(*(_race(stores, workflow, gate) for workflow in batch))
    finally:
        await world.fetch("DELETE FROM events WHERE workflow_id = ANY($1)", workflows)
        await world.fetch("UPDATE workflows SET state = 'cancelled' WHERE id = ANY($1)", workflows)
        for pool in pools:
            await pool.close()
    lost, double = fired.count(0), sum(count > 1 for count in fired)
    wrong = [f"{lost} joins were lost, {double} fired twice"] if lost or double else []
    return Seen(wrong=wrong, note=f"{fired.count(1)} of {races} fired once")


async def _race(stores: list[PgDrops], workflow: str, gate: asyncio.Semaphore) -> int:
    """How many claims of the join were given out."""

    async def branch(stage: str, drops: PgDrops) -> bool:
        committed = await drops.commit(_claim(workflow, stage), ARTIFACT)
        assert committed.state == "completed", committed
        found = await drops.claim("join", TENANT, workflow, lease_s=600, attempts=5, takes=("left", "right"))
        return isinstance(found, Claim)

    async with gate:
        return sum(await asyncio.gather(branch("left", stores[0]), branch("right", stores[1])))


def _claim(workflow: str, stage: str) -> Claim:
    return Claim(
        drop=f"{workflow}.{stage}.1",
        tenant=TENANT,
        workflow=workflow,
        stage=stage,
        revision=1,
        epoch=1,
        attempt=1,
        submission=Submission(prompt="{}"),
        inputs={},
        repair={},
    )


def cases(races: int = 10_000) -> list[Case]:
    """Row F16."""
    return [Case(row="F16", name=f"{races} races", run=partial(raced, races=races))]
