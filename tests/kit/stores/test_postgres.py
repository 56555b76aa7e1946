"""What only PostgreSQL has: locks, rights, row-level security, partitions, and its absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from contracts.artifacts import Submission
from contracts.topology import TOPOLOGY
from tests.kit.stores.world import SMALL, World, completed, rejected
from tests.servers import Database
from workers.kit.stores.drops import Claim, Committed, NewWorkflow, NoClaim, StoreDown
from workers.kit.stores.pg import PgDrops, PgReads, Pool, claims, open_pool

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
def world(pg_world: World) -> World:
    return pg_world


@pytest.fixture
async def worker(shared: Database, emptied: object) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(shared.worker)
    yield connection
    await connection.close()


@pytest.fixture
async def gateway(shared: Database, emptied: object) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(shared.gateway)
    yield connection
    await connection.close()


async def test_a_claim_sees_an_end_that_came_while_it_waited_for_the_lock(world: World, worker: Connection) -> None:
    workflow = await world.submit()
    async with worker.transaction():
        await worker.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", workflow)
        waiting = asyncio.create_task(world.look("plan", workflow))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await worker.execute("UPDATE workflows SET state = 'cancelled' WHERE id = $1", workflow)
    assert await waiting == NoClaim(reason="ended")


@pytest.mark.parametrize("taken", [False, True])
async def test_claim_and_commit_see_a_revision_that_was_opened_while_they_waited_for_the_lock(
    world: World, worker: Connection, taken: bool
) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan")
    claim = await world.claim("code", workflow) if taken else None
    async with worker.transaction():
        await worker.execute("UPDATE workflows SET newest = 2 WHERE id = $1", workflow)
        waiting: asyncio.Task[object] = asyncio.create_task(
            world.drops.commit(claim, completed(claim)) if claim else world.look("code", workflow)
        )
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await worker.execute(
            "UPDATE drops SET opens = 2, target = 'plan' WHERE workflow_id = $1 AND stage = 'plan'", workflow
        )
    answer = await waiting
    assert answer == (NoClaim(reason="inputs missing") if claim is None else Committed(state="superseded"))


async def test_a_commit_sees_an_end_that_came_while_it_waited_for_the_lock(world: World, worker: Connection) -> None:
    workflow = await world.submit()
    claim = await world.claim("plan", workflow)
    async with worker.transaction():
        await worker.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", workflow)
        waiting = asyncio.create_task(world.drops.commit(claim, completed(claim)))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await worker.execute("UPDATE workflows SET state = 'cancelled' WHERE id = $1", workflow)
    assert (await waiting).state == "lost"


async def test_expiry_passes_over_a_locked_workflow(world: World, worker: Connection) -> None:
    workflow = await world.submit(deadline_s=0)
    async with worker.transaction():
        await worker.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", workflow)
        assert not await world.drops.expire(limit=5)
    assert len(await world.drops.expire(limit=5)) == 1


async def test_two_rows_never_open_the_same_revision(world: World, worker: Connection) -> None:
    workflow = await world.submit()
    await world.complete(workflow, "plan", "code")
    await world.commit("check", workflow, rejected("code"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await worker.execute(
            "UPDATE drops SET opens = 2, target = 'plan' WHERE workflow_id = $1 AND stage = 'plan'", workflow
        )


async def test_every_table_with_a_tenant_is_behind_row_level_security(worker: Connection) -> None:
    tables = await worker.fetch(
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE a.attname = 'tenant' AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
        """
    )
    assert {row["relname"] for row in tables} >= {"tenants", "workflows", "drops", "events", "events_default", "ledger"}
    assert [row["relname"] for row in tables if not row["forced"]] == []


async def test_every_policy_of_the_gateway_fails_closed(worker: Connection) -> None:
    # A switch for all tenants is nobody's secret.
    rules = await worker.fetch(
        """SELECT qual FROM pg_policies WHERE 'ql_gateway' = ANY(roles) AND permissive = 'PERMISSIVE'
        AND NOT (tablename = 'switches' AND qual = '(tenant = ''*''::text)' AND cmd = 'SELECT')"""
    )
    wanted = "(tenant = NULLIF(current_setting('ql.tenant'::text, true), ''::text))"
    of_nobody = "current_setting('ql.tenant'::text, true) = 'default'::text) AND only_default())"
    assert len(rules) > 10
    assert [row["qual"] for row in rules if row["qual"] != wanted and of_nobody not in row["qual"]] == []


async def test_roles_are_no_superusers_and_bypass_nothing(worker: Connection) -> None:
    roles = await worker.fetch("SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole AS too_much FROM pg_roles")
    mighty = {row["rolname"] for row in roles if row["too_much"]}
    assert not mighty & {"ql_owner", "ql_worker", "ql_gateway"}


async def test_no_definer_function_or_view_looks_behind_it(worker: Connection) -> None:
    definers = "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    # The stream is everybody's: that one tells its creation time, and which event stands highest, of whatever tenant.
    # The other tells whether there is a second tenant.
    assert {record["proname"] for record in await worker.fetch(definers)} == {"stream_standing", "only_default"}
    assert not await worker.fetch("SELECT FROM pg_views WHERE schemaname = 'public'")


@pytest.mark.parametrize("table", ["workflows", "drops", "events"])
async def test_the_gateway_sees_one_tenant_and_nothing_without_one(
    world: World, gateway: Connection, table: str
) -> None:
    mine, other = await world.submit(), await world.submit(tenant="other")
    await world.complete(mine, "plan")
    await world.drops.claim("plan", "other", other, lease_s=30, attempts=5)
    count = f"SELECT count(*), count(DISTINCT tenant) FROM {table}"  # noqa: S608  # table names above
    assert tuple(await gateway.fetchrow(count) or ()) == (0, 0)
    async with gateway.transaction():
        await gateway.execute("SELECT set_config('ql.tenant', 'other', true)")
        assert tuple(await gateway.fetchrow(count) or ()) == (1, 1)
    assert tuple(await gateway.fetchrow(count) or ()) == (0, 0), "the setting ends with its transaction"


async def test_the_gateway_writes_for_its_tenant_only(gateway: Connection) -> None:
    insert = """
        INSERT INTO workflows (id, tenant, prompt, language, body_sha256, deadline, created_at)
        VALUES ($1, $2, 'p', 'python', '', now(), now())
    """
    async with gateway.transaction():
        await gateway.execute("SELECT set_config('ql.tenant', 'default', true)")
        await gateway.execute(insert, "W1", "default")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await gateway.execute(insert, "W2", "other")


@pytest.mark.parametrize(
    ("stage", "subject", "error"),
    [
        ("workflow", "ql.evt.other.{}.workflow.submitted.2", asyncpg.ForeignKeyViolationError),
        ("workflow", "ql.evt.default.{}.workflow.submitted.2", asyncpg.InsufficientPrivilegeError),
        ("packaging", "ql.evt.other.{}.packaging.completed.1", asyncpg.InsufficientPrivilegeError),
    ],
)
async def test_the_gateway_tells_nothing_of_another_tenants_workflow(
    world: World, gateway: Connection, stage: str, subject: str, error: type[asyncpg.PostgresError]
) -> None:
    workflow = await world.submit()
    insert = "INSERT INTO events VALUES ($1, $4, 'other', $2, $3, '', now())"
    async with gateway.transaction():
        await gateway.execute("SELECT set_config('ql.tenant', 'other', true)")
        told = subject.format(workflow)
        with pytest.raises(error):
            await gateway.execute(insert, workflow, stage, told, ".".join(told.split(".")[3:]))


@pytest.mark.parametrize(
    ("name", "subject", "seq", "allowed"),
    [
        ("{}.workflow.cancelled.1", "{}.workflow.cancelled.1", None, True),
        ("{}.workflow.resumed.12", "{}.workflow.resumed.12", None, True),
        ("{}.workflow.expired.1", "{}.workflow.expired.1", 7, False),
        ("{}.workflow.completed.1", "{}.workflow.completed.1", None, False),
        ("{}.workflow.failed.1", "{}.workflow.failed.1", None, False),
        ("{}.workflow.cancelled.1", "{}.workflow.completed.1", None, False),
        ("{}.workflow.submitted.1.x", "{}.workflow.submitted.1.x", None, False),
        ("anything", "{}.workflow.completed.1", None, False),
    ],
)
async def test_the_gateway_does_not_tell_how_work_came_out(
    world: World, gateway: Connection, name: str, subject: str, seq: int | None, allowed: bool
) -> None:
    workflow = await world.submit()
    insert = "INSERT INTO events VALUES ($1, $2, 'default', 'workflow', $3, '', now(), $4)"
    told = (workflow, name.format(workflow), "ql.evt.default." + subject.format(workflow), seq)
    async with gateway.transaction():
        await gateway.execute("SELECT set_config('ql.tenant', 'default', true)")
        if allowed:
            assert await gateway.execute(insert, *told) == "INSERT 0 1"
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await gateway.execute(insert, *told)


async def test_the_gateway_notes_once_where_an_event_stands(world: World, gateway: Connection) -> None:
    await world.submit()
    note = "UPDATE events SET published_seq = $1"
    async with gateway.transaction():
        await gateway.execute("SELECT set_config('ql.tenant', 'default', true)")
        assert await gateway.execute(note, 5) == "UPDATE 1"
        assert await gateway.execute(note, 6) == "UPDATE 0"
    await world.submit()
    for seq in (None, 0):
        async with gateway.transaction():
            await gateway.execute("SELECT set_config('ql.tenant', 'default', true)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await gateway.execute(note, seq)


async def test_the_gateway_begins_workflows_and_ends_none(gateway: Connection) -> None:
    async with gateway.transaction():
        await gateway.execute("SELECT set_config('ql.tenant', 'default', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await gateway.execute(
                """INSERT INTO workflows (id, tenant, state, prompt, language, body_sha256, deadline, created_at)
                VALUES ('W', 'default', 'completed', 'p', 'python', '', now(), now())"""
            )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE workflows SET prompt = ''",
        "UPDATE drops SET artifact_sha256 = ''",
        "UPDATE drops SET epoch = 9",
        "UPDATE events SET body = ''",
        "INSERT INTO dead_letters (tenant) VALUES ('default')",
        "UPDATE dead_letters SET tenant = 'default'",
        "DELETE FROM workflows",
        "DELETE FROM drops",
        "DELETE FROM events",
        "INSERT INTO drops (workflow_id) VALUES ('W')",
        "UPDATE ledger SET answer = ''",
        "DELETE FROM usage",
        "SELECT FROM api_keys",
        "SELECT FROM events_default",
        "UPDATE stream SET created = ''",
        "CREATE TABLE mine ()",
        "SELECT make_event_partitions(1)",
        "SET ROLE ql_worker",
    ],
)
async def test_the_gateway_can_do_no_more_than_it_needs(gateway: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE workflows SET prompt = ''",
        "INSERT INTO workflows (id) VALUES ('W')",
        "UPDATE events SET body = ''",
        "UPDATE ledger SET answer = ''",
        "DELETE FROM drops",
        "TRUNCATE events",
        "SELECT FROM api_keys",
        "DROP TABLE usage",
        "SET ROLE ql_owner",
    ],
)
async def test_a_worker_can_do_no_more_than_it_needs(worker: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await worker.execute(statement)


async def test_a_pooled_connection_keeps_no_tenant(world: World, gateway_pool: Pool) -> None:
    await world.submit()
    await asyncio.gather(*(world.reads.workflows("default", before="", limit=5) for _ in range(12)))
    for _ in range(12):
        assert await gateway_pool.fetchval("SELECT count(*) FROM workflows") == 0


async def test_a_ulids_event_lies_in_its_months_partition(world: World, worker: Connection) -> None:
    await world.submit()
    async with worker.transaction():
        kept = await worker.fetchval("SELECT tableoid::regclass::text FROM events")
        month = await worker.fetchval("SELECT 'events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
    assert kept == month


async def test_an_id_outside_every_month_lies_in_the_default_partition(world: World, worker: Connection) -> None:
    await world.reads.submit(
        NewWorkflow(id="zzz", tenant="default", submission=Submission(prompt="p"), deadline_s=60), most=1000
    )
    assert await worker.fetchval("SELECT tableoid::regclass::text FROM events") == "events_default"
    assert isinstance(await world.look("plan", "zzz"), Claim)


async def test_heartbeats_touch_no_index(world: World, worker_pool: Pool) -> None:
    claim = await world.claim("plan", await world.submit())
    async with worker_pool.acquire() as connection, connection.transaction():
        for _ in range(5):
            assert await claims.renew(connection, SMALL, [(claim, 30)]) == [True]
        hot = await connection.fetchval("SELECT pg_stat_get_xact_tuples_hot_updated('drops'::regclass)")
    assert hot == 5


async def test_a_server_that_is_not_there_is_store_down() -> None:
    with pytest.raises(StoreDown):
        await open_pool("postgresql://nobody@127.0.0.1:1/none", 1)


async def test_a_connection_that_breaks_is_store_down_and_the_pool_recovers(
    world: World, shared: Database, worker: Connection
) -> None:
    workflow = await world.submit()
    async with await open_pool(shared.worker, 1) as pool:
        drops = PgDrops(pool, TOPOLOGY)
        pid = await pool.fetchval("SELECT pg_backend_pid()")
        async with worker.transaction():
            await worker.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", workflow)
            waiting = asyncio.create_task(
                drops.claim("prompt_enhancement", "default", workflow, lease_s=30, attempts=5)
            )
            await asyncio.sleep(0.1)
            assert await worker.fetchval("SELECT pg_terminate_backend($1)", pid)
            with pytest.raises(StoreDown):
                await waiting
        found = await drops.claim("prompt_enhancement", "default", workflow, lease_s=30, attempts=5)
        assert isinstance(found, Claim)


async def test_a_cancelled_claim_leaves_no_lock_behind(world: World, shared: Database, worker: Connection) -> None:
    workflow = await world.submit()
    async with worker.transaction():
        await worker.execute("SELECT FROM workflows WHERE id = $1 FOR NO KEY UPDATE", workflow)
        waiting = asyncio.create_task(world.look("plan", workflow))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert isinstance(await asyncio.wait_for(world.look("plan", workflow), 5), Claim)


async def test_the_gateway_relays_only_its_own(world: World, gateway_pool: Pool) -> None:
    await world.submit()
    stranger = PgReads(gateway_pool)
    assert not await stranger.unpublished(["workflow"], older_s=0, limit=5)
    assert len(await world.reads.unpublished(["workflow"], older_s=0, limit=5)) == 1
