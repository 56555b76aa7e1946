"""Facts are stored once and know their place; wakes are short-lived; nothing is published into the void."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import nats
import pytest
from nats.aio.client import Client

from contracts import cloudevents, subjects
from contracts.events import WorkflowSubmitted, event
from tests.kit.runner.small import SMALL
from workers.keeper.provision import DEAD_STREAM, EVENT_STREAM, make_stream
from workers.kit.runner import receive
from workers.kit.runner.publish import Held, NotPublished, Publisher
from workers.kit.stores.drops import StoredEvent
from workers.kit.stores.memory import Memory, MemoryDrops

SUBMITTED = event(
    WorkflowSubmitted(tenant="default", workflow="w1", prompt_sha256="0" * 64),
    stage="workflow",
    outcome="submitted",
    revision=1,
    time="2026-01-01T00:00:00Z",
)
STORED = StoredEvent(
    workflow="w1",
    id=SUBMITTED.id,
    tenant="default",
    stage="workflow",
    subject=SUBMITTED.subject,
    body=cloudevents.to_structured(SUBMITTED),
)


@pytest.fixture
async def nc(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url)
    yield connection
    await connection.close()


async def publisher_of(nc: Client, config: dict[str, object] = EVENT_STREAM, *, first_seq: int = 0) -> Publisher:
    """One that trusts the stream made just now."""
    memory = Memory(stream=(await make_stream(nc, config, first_seq=first_seq))["created"])
    return Publisher(nc, MemoryDrops(memory, SMALL))


async def test_a_fact_is_stored_once_and_keeps_its_place(nc: Client) -> None:
    publisher = await publisher_of(nc, first_seq=7)
    seen = await nc.subscribe("ql.res.>")
    assert [(await publisher.fact(STORED)).seq for _ in range(3)] == [7, 7, 7]
    info = await nc.jetstream().stream_info(subjects.STREAM)
    assert info.state.messages == 1
    message = await seen.next_msg()
    assert cloudevents.from_binary(message.headers, message.data) == SUBMITTED
    assert message.subject == subjects.result(SUBMITTED.subject)


async def test_a_subject_taken_by_another_message_is_no_success(nc: Client) -> None:
    publisher = await publisher_of(nc)
    await nc.jetstream().publish(SUBMITTED.subject, b"forged", headers={"Nats-Msg-Id": "forged"})
    with pytest.raises(NotPublished, match=f"is taken by a message that is not {SUBMITTED.id}"):
        await publisher.fact(STORED)


async def test_without_the_stream_nothing_counts_as_published(nc: Client) -> None:
    publisher = Publisher(nc, MemoryDrops(Memory(), SMALL))
    with pytest.raises(Held, match="the stream is not there"):
        await publisher.fact(STORED)
    publisher = await publisher_of(nc)
    assert (await publisher.fact(STORED)).seq == 1
    await nc.jetstream().delete_stream(subjects.STREAM)
    with pytest.raises(nats.errors.NoRespondersError):
        await publisher.fact(STORED)
    await nc.jetstream().add_stream(name="ELSEWHERE", subjects=["ql.evt.>"])
    with pytest.raises(NotPublished, match="expected stream does not match"):
        await publisher.fact(STORED)


async def test_a_wake_lives_for_a_minute_and_has_no_id(nc: Client) -> None:
    publisher = await publisher_of(nc)
    await publisher.wake("packaging", "default", "w1")
    await publisher.wake("packaging", "default", "w1")
    info = await nc.jetstream().stream_info(subjects.STREAM)
    assert info.state.messages == 2
    message = await nc.jetstream().get_msg(subjects.STREAM, subject="ql.wake.packaging.default.w1")
    assert (message.headers or {})["Nats-TTL"] == "60s"


async def test_the_news_of_a_dead_letter_carries_no_bytes_of_it(nc: Client) -> None:
    publisher = await publisher_of(nc, DEAD_STREAM)
    dead = receive.letter("ql.evt.x", None, b"secret bytes", stage="packaging", reason="no event")
    await publisher.dead(dead)
    await publisher.dead(dead)
    found = await nc.jetstream().get_msg(subjects.DEAD_STREAM, seq=1)
    assert found.subject == "ql.dead.unknown.unknown.packaging"
    assert msgspec.json.decode(found.data or b"")["reason"] == "no event"
    assert b"secret" not in (found.data or b"")
    info = await nc.jetstream().stream_info(subjects.DEAD_STREAM)
    assert info.state.messages == 1
