"""Servers that die, lose everything, are full or refuse: F2, F3, F18 and F20."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from contracts.subjects import STREAM
from deploy.local.stack import NATS, POSTGRES, S3
from tests.chaos.case import Case, Seen
from tests.chaos.checker import Expected, check, stream
from tests.chaos.graph import Do, Plan
from tests.chaos.worker import POOL
from tests.chaos.world import ACK_WAIT_S, LEASE_S, World
from workers.keeper.keep import SETTLED_S
from workers.kit.runner.api import call
from workers.kit.stores.pg.pool import ACQUIRE_S

SLOW = Plan(model_s=0.15)
OUTAGE_S = 5.0
AT_S = (0.02, 0.15, 0.35)
BACK_S = LEASE_S + 5 + ACK_WAIT_S
"""The bar after an outage: a lease, the relay's age and a redelivery."""

SENT = "SELECT count(*) > 0 FROM events WHERE workflow_id = $1 AND published_seq IS NOT NULL"


async def killed(world: World, server: str, at_s: float, outage_s: float = OUTAGE_S) -> Seen:
    """kill -9 of a server under three workflows; it comes back after a while."""
    await world.staff(1)
    workflows = [await world.submit(SLOW) for _ in range(3)]
    await asyncio.sleep(at_s)
    await world.outage(server, outage_s)
    took = await world.ended(workflows)
    wrong = [] if took <= BACK_S else [f"it took {took:.1f} s after the server was back, more than {BACK_S:.0f}"]
    # A router that could not keep an answer, or whose asker could not hear it, was paid in vain.
    paid = dict.fromkeys(("root", "left", "right", "join"), (1, 2))
    wrong += await check(world, dict.fromkeys(workflows, Expected(calls=paid)))
    return Seen(wrong=wrong, note=f"done {took:.1f} s after its return")


async def claims_lost(world: World) -> Seen:
    """PostgreSQL dies before it has written down the claims of work that is being done, and more waits behind it.

    Nobody waits for the disk at a claim. Here the server would not write for long; its other commits would.
    """
    await world.staff(0)
    await world.fetch("ALTER SYSTEM SET wal_writer_delay = '10s'")
    await world.fetch("SELECT pg_reload_conf()")
    try:
        workflows = [await world.submit(Plan(do={"root": Do(model_s=2)})) for _ in range(12)]
        await world.work(1, {"QL_SLOTS": "4", "QL_HEARTBEAT_S": "1.4"})
        claimed = await world.until(CLAIMED, workflows, within_s=60)
        await world.stack.stop(POSTGRES, kill=True)
    finally:
        await world.stack.start(POSTGRES)
        await world.fetch("ALTER SYSTEM RESET wal_writer_delay")
        await world.fetch("SELECT pg_reload_conf()")
    there = (await world.fetch("SELECT count(*) AS n FROM drops WHERE workflow_id = ANY($1)", workflows))[0]["n"]
    await world.work(1)
    wrong = [] if claimed else ["no claims were made"]
    wrong += [] if there < 4 else ["every claim was on the disk, so nothing was tried"]
    seen = await _completes(world, workflows)
    return Seen(wrong=[*wrong, *seen.wrong], note=f"{4 - there} of 4 claims were gone; all done within {seen.note}")


CLAIMED = "SELECT count(*) = 4 FROM drops WHERE workflow_id = ANY($1) AND stage = 'root' AND state = 'running'"


async def wiped_empty(world: World) -> Seen:
    """The store is gone while nothing runs; everything after it works."""
    await world.staff(1)
    await world.outage(NATS, 0.2, wipe=True)
    return await _restored(world, [await world.submit() for _ in range(3)])


async def wiped_before_claim(world: World) -> Seen:
    """The events of workflows that nobody has claimed are gone."""
    await world.staff(0)
    workflows = [await world.submit() for _ in range(3)]
    await world.outage(NATS, 0.2, wipe=True)
    await world.staff(1)
    return await _restored(world, workflows)


async def wiped_midway(world: World, at_s: float) -> Seen:
    """The store is gone in the middle of five workflows."""
    await world.staff(1)
    workflows = [await world.submit(SLOW) for _ in range(5)]
    await asyncio.sleep(at_s)
    await world.outage(NATS, 0.2, wipe=True)
    return await _restored(world, workflows)


async def wiped_at_200(world: World) -> Seen:
    """rm -rf of the NATS store when about half of 200 workflows are done."""
    await world.staff(2)
    workflows = [await world.submit(Plan(model_s=0.3)) for _ in range(200)]  # none is done before all are submitted
    half = "SELECT count(*) >= 100 FROM workflows WHERE id = ANY($1) AND state = 'completed'"
    begun = await world.until(half, workflows, within_s=120)
    await world.outage(NATS, 0.5, wipe=True)
    ended = "SELECT count(*) AS n FROM workflows WHERE id = ANY($1) AND state <> 'active'"
    done = (await world.fetch(ended, workflows))[0]["n"]
    seen = await _restored(world, workflows, within_s=150)
    wrong = [] if begun and done < 200 else [f"{done} were done when the store was gone, not 100 to 199"]
    return Seen(wrong=[*wrong, *seen.wrong], note=f"wiped when {done} of 200 were done; the last {seen.note} later")


async def _completes(world: World, workflows: list[str], within_s: float = 60) -> Seen:
    took = await world.ended(workflows, within_s)
    # A question on its way when the bus died is asked again; the router may not have kept the first answer yet.
    paid = dict.fromkeys(("root", "left", "right", "join"), (1, 2))
    wrong = await check(world, dict.fromkeys(workflows, Expected(calls=paid)))
    return Seen(wrong=wrong, note=f"{took:.1f} s")


async def _restored(world: World, workflows: list[str], within_s: float = 60) -> Seen:
    """As `_completes`; but an answer of the lost stream, noted after its successor was adopted, is corrected by the
    keeper's second look only (workers/keeper/keep.py, SETTLED_S), and until then the new stream lacks that event.
    """
    seen = await _completes(world, workflows, within_s)
    until = time.monotonic() + SETTLED_S + 10
    while seen.wrong and time.monotonic() < until:
        await asyncio.sleep(2)
        again = await _completes(world, workflows)
        seen = Seen(wrong=again.wrong, note=f"{seen.note.split(',')[0]}, the stream whole later")
    return seen


async def full_stream(world: World) -> Seen:
    """The stream is at its limit: it refuses and drops nothing, the outbox waits, and all is sent when there is room.

    Hints that end by themselves make room for a few events meanwhile, so some may get through.
    """
    await world.staff(1)
    async with world.connected() as nc:
        before = await stream(world)
        info = await call(nc, f"STREAM.INFO.{STREAM}")
        limit = max(1, info["state"]["bytes"])
        await call(nc, f"STREAM.UPDATE.{STREAM}", info["config"] | {"max_bytes": limit})
        try:
            workflows = [await world.submit() for _ in range(10)]
            await asyncio.sleep(3)
            waiting = await world.fetch(WAITING, workflows)
            full = await call(nc, f"STREAM.INFO.{STREAM}")
            kept = {fact.seq for fact in await stream(world)}
        finally:
            await call(nc, f"STREAM.UPDATE.{STREAM}", info["config"])
    wrong = [] if waiting else ["the full stream refused nothing"]
    if full["state"]["bytes"] > limit:
        wrong.append(f"the stream holds {full['state']['bytes']} bytes, its limit is {limit}")
    if dropped := [fact.id for fact in before if fact.seq not in kept]:
        wrong.append(f"the full stream dropped {dropped[:3]} of {len(dropped)}")
    seen = await _completes(world, workflows)
    return Seen(wrong=[*wrong, *seen.wrong], note=f"{len(waiting)} events had to wait, all sent within {seen.note}")


WAITING = "SELECT id FROM events WHERE workflow_id = ANY($1) AND published_seq IS NULL"


async def connections_cut(world: World) -> Seen:
    """Every connection of the workers, the router and the keeper is terminated, again and again."""
    await world.staff(1)
    workflows = [await world.submit(SLOW) for _ in range(10)]
    cut = 0
    for _ in range(12):
        cut += len(await world.fetch(CUT))
        await asyncio.sleep(0.15)
    seen = await _completes(world, workflows)
    wrong = [] if cut else ["no connection was cut"]
    return Seen(wrong=[*wrong, *seen.wrong], note=f"{cut} connections cut")


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ql_worker'"


@asynccontextmanager
async def _role(world: World, change: str, back: str) -> AsyncIterator[None]:
    """The role of the workers is changed, for new connections; the old ones are cut."""
    await world.fetch(change)
    await world.fetch(CUT)
    try:
        yield
    finally:
        await world.fetch(back)
        await world.fetch(CUT)


async def refusing(world: World, change: str, back: str) -> Seen:
    """PostgreSQL refuses in some way for three seconds."""
    await world.staff(1)
    workflows = [await world.submit(SLOW) for _ in range(5)]
    async with _role(world, change, back):
        workflows += [await world.submit(SLOW) for _ in range(2)]
        await asyncio.sleep(3)
    return await _completes(world, workflows)


async def locked(world: World) -> Seen:
    """Somebody holds the rows of the workflows for longer than a lease."""
    await world.staff(1)
    workflows = [await world.submit(Plan(do={"left": Do(model_s=1)})) for _ in range(3)]
    wrong = [] if await world.until(BEGAN, workflows[0]) else ["left never began"]
    async with world.sql() as sql, sql.transaction():
        await sql.fetch("SELECT 1 FROM workflows WHERE id = ANY($1) ORDER BY id FOR UPDATE", workflows)
        await asyncio.sleep(LEASE_S + 1)
        blocked = await world.fetch(BLOCKED, "")
    wrong += [] if blocked else ["nobody waited for the rows, so nothing was tried"]
    seen = await _completes(world, workflows)
    return Seen(wrong=[*wrong, *seen.wrong], note=f"{len(blocked)} connections waited; done within {seen.note}")


BEGAN = "SELECT count(*) > 0 FROM drops WHERE workflow_id = $1 AND stage = 'left'"
BLOCKED = """
    SELECT pid FROM pg_stat_activity
    WHERE usename = 'ql_worker' AND wait_event_type = 'Lock' AND query LIKE '%' || $1::text || '%'
"""
COMMITS = "changed AS ("
"""In both of their statements, and in no other."""

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def deadlocked(world: World) -> Seen:
    """We hold a row that a commit waits for, and want the workflow that it holds: PostgreSQL ends the worker's part."""
    await world.staff(1)
    workflow = await world.submit(Plan(do={"left": Do(model_s=1)}))
    wrong = [] if await world.until(BEGAN, workflow) else ["left never began"]
    before = (await world.fetch(DEADLOCKS))[0]["deadlocks"]
    async with world.sql() as sql:
        await sql.execute("SET deadlock_timeout = '1min'")  # who looks for a deadlock is its victim
        async with sql.transaction():
            await sql.fetch("SELECT 1 FROM drops WHERE workflow_id = $1 AND stage = 'left' FOR UPDATE", workflow)
            if not await world.until(BLOCKED, COMMITS):
                wrong.append("no commit waited for the row")
            await sql.fetch("SELECT 1 FROM workflows WHERE id = $1 FOR UPDATE", workflow)
    # The victim tells its count when it is idle.
    if not await world.until("SELECT deadlocks > $1 FROM pg_stat_database WHERE datname = current_database()", before):
        wrong.append("PostgreSQL counted no deadlock")
    after = (await world.fetch(DEADLOCKS))[0]["deadlocks"]
    seen = await _completes(world, [workflow])
    note = f"{after - before} deadlocks, a worker's statement was the victim; done within {seen.note}"
    return Seen(wrong=[*wrong, *seen.wrong], note=note)


async def unserializable(world: World) -> Seen:
    """Every third write of rows fails as not serializable. A trigger says so: at READ COMMITTED, on which the pool
    insists, PostgreSQL has no reason of its own to.
    """
    await world.staff(1)
    async with world.sql() as sql:
        await sql.execute(FAILS)
        try:
            workflows = [await world.submit(SLOW) for _ in range(10)]
            await asyncio.sleep(3)
        finally:
            raised = await sql.fetchval("SELECT last_value FROM chaos_writes") // 3
            await sql.execute("DROP FUNCTION chaos_fails CASCADE; DROP SEQUENCE chaos_writes")
    wrong = [] if raised else ["nothing failed, so nothing was tried"]
    seen = await _completes(world, workflows)
    return Seen(wrong=[*wrong, *seen.wrong], note=f"{raised} writes failed, by a trigger; done within {seen.note}")


FAILS = """
    CREATE SEQUENCE chaos_writes;
    CREATE FUNCTION chaos_fails() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
    BEGIN
        IF nextval('chaos_writes') % 3 = 0 THEN
            RAISE EXCEPTION 'could not serialize access, on purpose' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER chaos_fails BEFORE INSERT OR UPDATE ON drops FOR EACH STATEMENT EXECUTE FUNCTION chaos_fails();
"""


async def pool_empty(world: World) -> Seen:
    """A worker with a single connection, which a query holds for longer than the others wait for one."""
    await world.staff(0)
    (worker,) = await world.work(1, {POOL: "1"})
    await world.present(1)
    workflows = [await world.submit(SLOW) for _ in range(10)]
    await asyncio.sleep(0.2)
    async with world.sql() as sql, sql.transaction():
        await sql.execute("LOCK TABLE drops IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(ACQUIRE_S + 3)
    seen = await _completes(world, workflows)
    # Nothing else times out as early: a statement may take longer than the lock was held.
    lines = worker.command.log.read_text(errors="replace").splitlines()
    said = sum('"PostgreSQL: "' in line or "TimeoutError" in line for line in lines)
    wrong = [] if said else ["nobody waited in vain for a connection, so nothing was tried"]
    return Seen(wrong=[*wrong, *seen.wrong], note=f"{said} waited in vain; done within {seen.note}")


def cases() -> list[Case]:
    """Rows F2, F3, F18, F20."""
    found = [
        Case(row="F2", name=f"{server} at +{at_s:g} s", run=partial(killed, server=server, at_s=at_s))
        for server in (NATS, POSTGRES, S3)
        for at_s in AT_S
    ]
    found += [
        Case(row="F2", name="claims that are not on the disk", run=claims_lost),
        Case(row="F3", name="while idle", run=wiped_empty),
        Case(row="F3", name="before the first claim", run=wiped_before_claim),
        Case(row="F3", name="midway at +0.1 s", run=partial(wiped_midway, at_s=0.1)),
        Case(row="F3", name="midway at +0.4 s", run=partial(wiped_midway, at_s=0.4)),
        Case(row="F3", name="among 200", run=wiped_at_200),
        Case(row="F18", name="max_bytes", run=full_stream),
        Case(row="F20", name="connections cut", run=connections_cut),
        Case(row="F20", name="locked", run=locked),
        Case(row="F20", name="deadlock", run=deadlocked),
        Case(row="F20", name="no connection in the pool", run=pool_empty),
        Case(row="F20", name="serialization failure", run=unserializable),
    ]
    role, reset = "ALTER ROLE ql_worker", "ALTER ROLE ql_worker RESET"
    refusals = {
        "read-only": (f"{role} SET default_transaction_read_only = on", f"{reset} default_transaction_read_only"),
        "statement_timeout": (f"{role} SET statement_timeout = '1ms'", f"{reset} statement_timeout"),
        "no connection left": (f"{role} CONNECTION LIMIT 0", f"{role} CONNECTION LIMIT -1"),
    }
    return found + [
        Case(row="F20", name=name, run=partial(refusing, change=change, back=back))
        for name, (change, back) in refusals.items()
    ]
