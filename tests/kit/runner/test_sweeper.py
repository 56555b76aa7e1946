"""The second chance: what no message has woken is found, and one broken duty does not stop the others."""

from __future__ import annotations

import asyncio

import pytest

from contracts import subjects
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES
from workers.kit.runner import sweeper
from workers.kit.runner.outbox import Counts, Outbox
from workers.kit.runner.sweeper import Sweeper


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "ABSENT_S", 0.2)
    monkeypatch.setattr(sweeper, "UNPUBLISHED_S", 0.2)


def sweeper_of(running: Pipeline, counts: Counts) -> Sweeper:
    outbox = Outbox(running.publisher, running.drops, counts)
    settings = running.servers.settings()
    return Sweeper(["draft"], SMALL, running.drops, running.publisher, outbox, running.nc, settings, counts)


async def test_a_message_that_was_lost_is_made_up_for_by_a_wake(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running:
        workflow = await running.submit("p")
        thief = await running.nc.jetstream().pull_subscribe_bind("draft", subjects.STREAM)
        (stolen,) = await thief.fetch(1)
        await stolen.ack_sync()
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
        (message,) = await (await running.nc.jetstream().pull_subscribe_bind("draft", subjects.STREAM)).fetch(1)
        await message.ack_sync()
        await asyncio.sleep(0.3)
        await sweeping.sweep()
        assert counts.done["wakes"] == 1
        await sweeping.sweep()  # the wake itself stands in the queue now
        assert counts.done["wakes"] == 1


async def test_each_duty_fails_alone(servers: Servers) -> None:
    async with pipeline(servers, SMALL, workers=0) as running:
        workflow = await running.submit("p", deadline_s=0.01)
        await running.nc.jetstream().delete_consumer(subjects.STREAM, "draft")
        await asyncio.sleep(0.02)  # a quick machine comes here before the deadline
        await sweeper_of(running, Counts()).sweep()
        found = await running.reads.workflow(TENANT, workflow)
        assert found is not None
        assert found.state == "expired"
