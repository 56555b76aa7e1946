"""Facts are stored once and know their place; wakes are short-lived; nothing is published into the void."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import cloudevents, subjects
from contracts.events import WorkflowSubmitted, event
from tests.kit.runner.small import SMALL
from workers.keeper.provision import DEAD_STREAM, EVENT_STREAM, make_stream
from workers.kit.runner import publish, receive
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


IN_FLIGHT = {"err_code": 10164, "code": 400, "description": "last sequence by subject mismatch: in process"}
TAKEN = {"err_code": 10071, "code": 400, "description": "wrong last sequence: 7"}


@pytest.mark.parametrize(
    ("answers", "seq"),
    [([{"error": IN_FLIGHT}] * 2 + [{"stream": "QL", "seq": 9}], 9), ([{"error": IN_FLIGHT}, {"error": TAKEN}], 7)],
)
async def test_another_publish_in_flight_is_waited_for(nc: Client, answers: list[dict[str, object]], seq: int) -> None:
    publisher = await publisher_of(nc, first_seq=7)
    await publisher.fact(STORED)
    sent = await answering(nc, answers)
    assert (await publisher.fact(STORED)).seq == seq
    assert sent == [STORED.id] * len(answers)


async def test_one_that_stays_in_flight_is_not_published(nc: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "TRIES", 3)
    publisher = await publisher_of(nc, first_seq=7)
    sent = await answering(nc, [{"error": IN_FLIGHT}])
    with pytest.raises(NotPublished, match="another publish of it has been in flight for too long"):
        await publisher.fact(STORED)
    assert sent == [STORED.id] * 3


async def answering(nc: Client, answers: list[dict[str, object]]) -> list[str]:
    """From now on a stream of several servers, busy with the same subject: one server never gives these answers.

    They come in order, the last one for ever; the ids that were sent are in the list.
    """
    await make_stream(nc, EVENT_STREAM | {"subjects": ["elsewhere"]})
    sent: list[str] = []

    async def answer(message: Msg) -> None:
        told = answers[min(len(sent), len(answers) - 1)]
        sent.append((message.headers or {})["Nats-Msg-Id"])
        await message.respond(msgspec.json.encode(told))

    await nc.subscribe(subjects.EVENTS, cb=answer)
    return sent


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
