"""The second chance: what no message has woken is found, and one broken duty does not stop the others."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest
from ulid import ULID

from contracts import subjects
from contracts.artifacts import Submission
from contracts.topology import LIFECYCLE
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES
from tests.servers import Database
from workers.keeper.provision import WORKERS
from workers.kit.runner import sweeper
from workers.kit.runner.outbox import Counts, Outbox
from workers.kit.runner.sweeper import Sweeper
from workers.kit.stores.drops import NewWorkflow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "ABSENT_S", 0.2)
    monkeypatch.setattr(sweeper, "UNPUBLISHED_S", 0.2)


def sweeper_of(running: Pipeline, counts: Counts) -> Sweeper:
    outbox = Outbox(running.publisher, running.drops, counts)
    settings = running.servers.settings()
    return Sweeper({"draft": ()}, SMALL, running.drops, running.publisher, outbox, running.nc, settings, counts)


async def test_a_message_that_was_lost_is_made_up_for_by_a_wake(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running:
        workflow = await running.submit("p")
        await take(running)
    async with pipeline(servers, SMALL, STAGES, sweep_s=0.2) as running:
        running.follow(workflow)
        assert await running.end(workflow) == "completed"
        assert running.done("wakes") >= 1


async def test_a_queue_is_not_woken(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running:
        await running.submit("p")
        counts = Counts()
        sweeping = sweeper_of(running, counts)
        for _ in range(3):
            await sweeping.sweep()
        assert counts.done["wakes"] == 0
        await take(running)
        await asyncio.sleep(0.3)
        await sweeping.sweep()
        assert counts.done["wakes"] == 1
        await sweeping.sweep()  # the wake itself stands in the queue now
        assert counts.done["wakes"] == 1


async def test_a_page_of_events_that_the_stream_refuses_lets_those_behind_it_pass(
    servers: Servers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "LIMIT", 2)
    monkeypatch.setattr(sweeper, "PAGES", 1)
    async with pipeline(servers, SMALL, workers=0) as running:
        asked = [
            NewWorkflow(id=str(ULID()), tenant=TENANT, submission=Submission(prompt="p"), deadline_s=60)
            for _ in range(5)
        ]
        for new in asked:
            await running.reads.submit(new, most=10)
        await damage(database, [new.id for new in asked[:3]])
        await asyncio.sleep(0.3)
        counts = Counts()
        sweeping = sweeper_of(running, counts)
        for _ in range(4):
            await sweeping.sweep()
        left = await running.drops.unpublished([LIFECYCLE], older_s=0, limit=10)
        assert [event.workflow for event in left] == [new.id for new in asked[:3]]
        assert (counts.done["relayed"], counts.done["events"]) == (5, 2), "what was refused is not sent again at once"


async def test_history_that_the_stream_refuses_lets_what_is_behind_it_pass(
    servers: Servers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "LIMIT", 2)
    async with pipeline(servers, SMALL, workers=0) as running:
        asked = [await running.submit("p") for _ in range(4)]
        await asyncio.sleep(0.3)
        await sweeper_of(running, Counts()).sweep()
        await damage(database, asked[:3])
        await running.drops.pool.execute(
            "UPDATE events SET published_seq = published_seq - 1000"
        )  # as of an earlier one
        await running.drops.pool.execute("UPDATE stream SET resent = -1000")
        await sweeper_of(running, Counts()).sweep()
        assert await running.drops.history(since_s=60, limit=10) is None
        left = await running.drops.unpublished([LIFECYCLE], older_s=0, limit=10)
        assert [event.workflow for event in left] == asked[:3], "they stay owed"
        (placed,) = await running.reads.events(TENANT, asked[3])
        assert placed.seq > 0


async def damage(database: Database, workflows: list[str]) -> None:
    """Their events are none that anybody could read."""
    connection = await asyncpg.connect(database.admin)
    await connection.execute("UPDATE events SET body = 'x' WHERE workflow_id = ANY($1)", workflows)
    await connection.close()


async def test_one_process_looks_for_absent_rows_and_then_nobody_for_a_while(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "REST", 1e6)
    async with pipeline(servers, SMALL, workers=0) as running:
        first, second = sweeper_of(running, Counts()), sweeper_of(running, Counts())
        await first.sweep()  # finds how long a look takes
        await asyncio.sleep(running.servers.settings().sweep_s / 2)
        await first.sweep()
        await running.submit("p")
        await take(running)
        await asyncio.sleep(0.3)
        for sweeping in (second, first):
            await sweeping.sweep()
        assert [sweeping._counts.done["wakes"] for sweeping in (first, second)] == [0, 0]
        due = "SELECT due_at - clock_timestamp() FROM duties WHERE name = 'wake draft'"
        async with running.drops.pool.acquire() as connection:
            left_s = (await connection.fetchval(due)).total_seconds()
        assert 10 < left_s <= 30, "however slow a look was"


async def take(running: Pipeline) -> None:
    """The message is lost."""
    inbox = running.nc.new_inbox()
    taken = await running.nc.subscribe(inbox)
    asked = msgspec.json.encode({"batch": 1, "group": WORKERS})
    await running.nc.publish(f"$JS.API.CONSUMER.MSG.NEXT.{subjects.STREAM}.draft", asked, reply=inbox)
    await (await taken.next_msg(timeout=5)).ack_sync()


async def test_each_duty_fails_alone(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running:
        workflow = await running.submit("p", deadline_s=0.01)
        await running.nc.jetstream().delete_consumer(subjects.STREAM, "draft")
        await asyncio.sleep(0.02)  # a quick machine comes here before the deadline
        await sweeper_of(running, Counts()).sweep()
        found = await running.reads.workflow(TENANT, workflow)
        assert found is not None
        assert found.state == "expired"


async def test_processes_of_the_same_stages_take_turns(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0, sweep_s=60) as running:
        outbox = Outbox(running.publisher, running.drops, Counts())
        settings = running.servers.settings(sweep_s=60)
        first, second, other = (
            Sweeper(dict.fromkeys(stages, ()), SMALL, running.drops, running.publisher, outbox, nc, settings, Counts())
            for nc, stages in ((running.nc, ["draft"]), (running.nc, ["draft"]), (running.nc, ["draft", "check"]))
        )
        assert [await one.turn() for one in (first, second, first, other)] == [True, False, False, True]
        await running.nc.close()
        assert await second.turn(), "who has lost the bus does what can be done without it"
