"""A stream that is lost when much has been done: what is at work comes first, and nothing waits for the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from contracts import subjects
from contracts.subjects import parse_event
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner.small import SMALL
from tests.servers import Database
from workers.keeper.keep import Keeper
from workers.kit.runner import sweeper
from workers.kit.runner.api import call, find
from workers.kit.runner.outbox import Counts, Outbox
from workers.kit.runner.sweeper import Sweeper
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.pg import PgDrops, open_pool, pool

OLD, ACTIVE = 7, 3


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "UNPUBLISHED_S", 0)
    monkeypatch.setattr(sweeper, "LIMIT", 2)
    monkeypatch.setattr(sweeper, "PAGES", 1)


@pytest.fixture
async def running(servers: Servers) -> AsyncIterator[Pipeline]:
    """Nobody works."""
    async with pipeline(servers, SMALL, workers=0, sweep_s=0.01) as made:
        yield made


async def some(running: Pipeline, database: Database) -> tuple[list[str], list[str]]:
    """Workflows that have ended, the last of them long ago, and those that are active; each with an event."""
    old = [await running.submit("p") for _ in range(OLD)]
    connection = await asyncpg.connect(database.admin)
    await connection.execute("UPDATE workflows SET state = 'completed', ended_at = now() WHERE id = ANY($1)", old)
    await connection.execute("UPDATE events SET created_at = now() - interval '31 days' WHERE workflow_id = $1", old[3])
    await connection.close()
    return old, [await running.submit("p") for _ in range(ACTIVE)]


def sweeper_of(running: Pipeline) -> Sweeper:
    counts = Counts()
    outbox = Outbox(running.publisher, running.drops, counts)
    settings = running.servers.settings(sweep_s=0.01)
    return Sweeper({"draft": ()}, SMALL, running.drops, running.publisher, outbox, running.nc, settings, counts)


async def held(running: Pipeline) -> list[str]:
    """The workflows of the facts, in the stream's order."""
    info = await call(running.nc, f"STREAM.INFO.{subjects.STREAM}")
    first, last = info["state"]["first_seq"], info["state"]["last_seq"]
    stored = [await running.nc.jetstream().get_msg(subjects.STREAM, seq=seq) for seq in range(first, last + 1)]
    facts = [message.subject for message in stored if message.subject and message.subject.startswith("ql.evt.")]
    return [parse_event(subject).workflow for subject in facts]


async def test_what_is_at_work_goes_before_the_history_which_comes_in_its_order(
    running: Pipeline, database: Database
) -> None:
    old, active = await some(running, database)
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    await running.keeper.keep()
    sweeping = sweeper_of(running)
    for _ in range(12):
        await sweeping.sweep()
        await asyncio.sleep(0.02)
    assert await held(running) == [*active, *old[:3], *old[4:]]
    for workflow in old:
        assert all(event.seq for event in await running.reads.events(TENANT, workflow)), "nothing is owed any more"


async def test_the_keeper_leaves_the_history_as_it_is(running: Pipeline, database: Database) -> None:
    old, active = await some(running, database)
    versions = "SELECT id, xmin::text FROM events WHERE workflow_id = ANY($1) ORDER BY id"
    connection = await asyncpg.connect(database.admin)
    before = await connection.fetch(versions, old)
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    await running.keeper.keep()
    assert await connection.fetch(versions, old) == before
    await connection.close()
    waiting = await running.drops.unpublished(["workflow"], older_s=0, limit=100)
    assert [event.workflow for event in waiting] == active


async def test_a_keeper_that_can_t_reach_the_events_has_made_stream_and_durables_and_another_goes_on(
    running: Pipeline, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, active = await some(running, database)
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    monkeypatch.setattr(pool, "STATEMENT_S", 0.3)
    connection = await asyncpg.connect(database.admin)
    hurried = await open_pool(running.servers.worker, 1)
    async with connection.transaction():
        await connection.execute("SELECT FROM events WHERE workflow_id = ANY($1) FOR UPDATE", active)
        with pytest.raises(StoreDown):
            await Keeper(running.nc, PgDrops(hurried, SMALL), SMALL, running.servers.settings()).keep()
    await hurried.close()
    await connection.close()
    info = await call(running.nc, f"STREAM.INFO.{subjects.STREAM}")
    assert (await running.drops.remembered()).created == info["created"], "facts are let out"
    for stage in SMALL.stages:
        assert await find(running.nc, f"CONSUMER.INFO.{subjects.STREAM}.{stage}") is not None
    await Keeper(running.nc, running.drops, SMALL, running.servers.settings()).keep()
    waiting = await running.drops.unpublished(["workflow"], older_s=0, limit=100)
    assert [event.workflow for event in waiting] == active


async def test_an_event_that_can_t_be_sent_again_is_owed_and_those_behind_it_pass(
    running: Pipeline, database: Database
) -> None:
    old, _ = await some(running, database)
    connection = await asyncpg.connect(database.admin)
    await connection.execute("UPDATE events SET body = 'x' WHERE workflow_id = $1", old[0])
    await connection.close()
    await call(running.nc, f"STREAM.DELETE.{subjects.STREAM}")
    await running.keeper.keep()
    sweeping = sweeper_of(running)
    for _ in range(12):
        await sweeping.sweep()
        await asyncio.sleep(0.02)
    assert (await held(running))[ACTIVE:] == [*old[1:3], *old[4:]]
    assert [event.seq for event in await running.reads.events(TENANT, old[0])] == [0]
