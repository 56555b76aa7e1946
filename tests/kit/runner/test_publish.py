"""Facts are stored once and know their place; wakes are short-lived; nothing is published into the void."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import cloudevents, subjects
from contracts.events import Event, WorkflowFailed, WorkflowSubmitted, event
from tests.kit.runner.small import SMALL
from workers.keeper.provision import DEAD_STREAM, EVENT_STREAM, make_stream
from workers.kit.runner import acks, publish, receive
from workers.kit.runner.publish import Held, NotPublished, Publisher
from workers.kit.stores.drops import StoredEvent
from workers.kit.stores.memory import Memory, MemoryDrops


def submitted(workflow: str) -> Event:
    return event(
        WorkflowSubmitted(tenant="default", workflow=workflow, prompt_sha256="0" * 64),
        stage="workflow",
        outcome="submitted",
        revision=1,
        time="2026-01-01T00:00:00Z",
    )


def stored(workflow: str) -> StoredEvent:
    made = submitted(workflow)
    return StoredEvent(
        workflow=workflow,
        id=made.id,
        tenant="default",
        stage="workflow",
        subject=made.subject,
        body=cloudevents.to_structured(made),
    )


SUBMITTED = submitted("w1")
STORED = stored("w1")


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


async def test_a_full_stream_refuses_no_event_but_holds_all_of_them(nc: Client) -> None:
    publisher = await publisher_of(nc, EVENT_STREAM | {"max_bytes": 1})
    with pytest.raises(Held, match="maximum bytes"):
        await publisher.fact(STORED)


async def test_many_facts_are_stored_in_their_order_and_each_is_told_of_its_own(nc: Client) -> None:
    publisher = await publisher_of(nc)
    forged = stored("w5")
    await nc.jetstream().publish(forged.subject, b"forged", headers={"Nats-Msg-Id": "forged"})
    already = await publisher.fact(stored("w3"))
    no_event = msgspec.structs.replace(stored("w7"), body=b"{}")
    facts = [stored(f"w{number}") for number in range(40)]
    facts[7] = no_event
    told = await publisher.facts(facts)
    assert told[3] == already
    for place, reason in ((5, f"is taken by a message that is not {forged.id}"), (7, "is no event")):
        error = told[place]
        assert isinstance(error, NotPublished)
        assert reason in str(error)
    places = [fact.seq for fact in told if isinstance(fact, StoredEvent) and fact.id != already.id]
    assert places == list(range(3, 3 + 37))
    assert [fact.id for fact in told if isinstance(fact, StoredEvent)] == [
        fact.id for place, fact in enumerate(facts) if place not in {5, 7}
    ]
    assert await publisher.facts([]) == []


async def test_callers_at_the_same_time_get_each_their_own_answers(nc: Client) -> None:
    publisher = await publisher_of(nc)
    batches = [[stored(f"w{number}") for number in range(first, first + 5)] for first in range(0, 50, 5)]
    for batch, told in zip(batches, await asyncio.gather(*map(publisher.facts, batches)), strict=True):
        assert [fact.id for fact in told if isinstance(fact, StoredEvent)] == [fact.id for fact in batch]
        for fact in told:
            assert isinstance(fact, StoredEvent)
            message = await nc.jetstream().get_msg(subjects.STREAM, seq=fact.seq)
            assert message.subject == fact.subject


async def test_what_gets_no_answer_is_told_so_and_the_rest_is_not_lost(
    nc: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acks, "TIMEOUT_S", 0.3)
    publisher = await publisher_of(nc)
    await make_stream(nc, EVENT_STREAM | {"subjects": ["elsewhere"]})

    async def every_other(message: Msg) -> None:
        if ".w1." in message.subject or ".w3." in message.subject:
            await message.respond(b'{"stream": "QL", "seq": 9}')
        if ".w2." in message.subject:
            await message.respond(b"nonsense")

    await nc.subscribe(subjects.EVENTS, cb=every_other)
    told = await publisher.facts([stored(f"w{number}") for number in range(5)])
    assert [getattr(fact, "seq", type(fact)) for fact in told] == [
        nats.errors.TimeoutError,
        9,
        msgspec.DecodeError,
        9,
        nats.errors.TimeoutError,
    ]


async def test_answers_after_a_reconnect_are_not_believed(nc: Client) -> None:
    publisher = await publisher_of(nc)
    await make_stream(nc, EVENT_STREAM | {"subjects": ["elsewhere"]})

    async def late(message: Msg) -> None:
        nc.stats["reconnects"] = 1
        await message.respond(b'{"stream": "QL", "seq": 9}')

    await nc.subscribe(subjects.EVENTS, cb=late)
    for told in await publisher.facts([stored("w1"), stored("w2")]):
        assert isinstance(told, Held)
        assert "the connection was lost meanwhile" in str(told)


async def test_one_in_flight_elsewhere_delays_no_other(nc: Client) -> None:
    publisher = await publisher_of(nc)
    sent = await answering(nc, [{"error": IN_FLIGHT}, {"seq": 8}, {"seq": 9}])
    first, second = stored("w1"), stored("w2")
    told = await publisher.facts([first, second])
    assert sent == [first.id, second.id, first.id]
    assert [fact.seq for fact in told if isinstance(fact, StoredEvent)] == [9, 8]


async def test_behind_one_that_can_not_be_sent_nothing_is_sent(nc: Client) -> None:
    publisher = await publisher_of(nc)
    data = WorkflowFailed(tenant="default", workflow="w2", stage="packaging", error="x" * (2 << 20))
    big = event(data, stage="workflow", outcome="failed", revision=1, time="2026-01-01T00:00:00Z")
    facts = [stored("w1"), msgspec.structs.replace(stored("w2"), body=cloudevents.to_structured(big)), stored("w3")]
    first, *rest = await publisher.facts(facts)
    assert isinstance(first, StoredEvent)
    assert [type(error) for error in rest] == [nats.errors.MaxPayloadError] * 2
    assert (await nc.jetstream().stream_info(subjects.STREAM)).state.messages == 1


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
