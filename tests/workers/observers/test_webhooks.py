"""Webhooks against a real receiver: recorded once, signed, tried again, turned off, kept from private addresses."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest
from ulid import ULID

from contracts.events import WorkflowFailed, event
from tests.flow.noop import TENANT, Pipeline, Servers
from tests.servers import Database
from tests.workers.observers.conftest import observer
from tests.workers.observers.receiver import Receiver, receiver
from workers.kit.stores.pg import open_pool
from workers.kit.stores.pg.pool import Pool
from workers.kit.stores.webhooks import MOST_BYTES, Deliveries, Delivery, Told, Webhook, Webhooks
from workers.observers import sending
from workers.observers.sending import NotSent, Sender
from workers.observers.webhooks import RETRIES_S, Courier, delivery_id, thin

QUICK = (0.05, 0.05)


@pytest.fixture
async def inbox() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.worker, 4)
    yield opened
    await opened.close()


@pytest.fixture
async def hooks(database: Database) -> AsyncIterator[Webhooks]:
    """The gateway's side."""
    opened = await open_pool(database.gateway, 2)
    yield Webhooks(opened)
    await opened.close()


async def added(hooks: Webhooks, url: str, *types: str) -> tuple[Webhook, str]:
    made = await hooks.add(TENANT, str(ULID()), url, types or ("workflow.*",))
    assert made is not None
    return made[0], f"whsec_{base64.b64encode(made[1]).decode()}"


def told(count: int = 1, **changes: object) -> list[Told]:
    return [
        msgspec.structs.replace(
            Told(
                tenant=TENANT,
                id=delivery_id(f"{ULID()}.workflow.completed.1"),
                type="dev.quantumlayer.workflow.completed.v1",
                body=b'{"specversion":"1.0"}',
                time=datetime.now(UTC) + timedelta(seconds=1),
                kinds=("workflow.completed", "workflow.*"),
            ),
            **changes,
        )
        for _ in range(count)
    ]


@asynccontextmanager
async def courier(pool: Pool, *, private: bool = True, retries_s: Sequence[float] = QUICK) -> AsyncIterator[Courier]:
    sender = Sender(private=private)
    running = Courier(Deliveries(pool), sender, retries_s=retries_s, look_s=0.05)
    running.start()
    try:
        yield running
    finally:
        await running.stop()
        await sender.close()


async def ended(hooks: Webhooks, hook: Webhook, *states: str, within_s: float = 20) -> Sequence[Delivery]:
    """The log, once every delivery was tried and has one of the states."""
    async with asyncio.timeout(within_s):
        while True:
            log = await hooks.deliveries(TENANT, hook.id, before="", limit=100)
            if log and all(delivery.tried_at and delivery.state in states for delivery in log):
                return log
            await asyncio.sleep(0.05)


async def test_events_are_told_to_those_who_want_them_and_signed(
    running: Pipeline, servers: Servers, hooks: Webhooks, inbox: Receiver, tmp_path: Path
) -> None:
    all_, secret = await added(hooks, f"{inbox.url}/ok", "workflow.*", "packaging.completed")
    await added(hooks, f"{inbox.url}/long", "*.failed")
    foreign = await hooks.add("other", str(ULID()), f"{inbox.url}/gone", ("*.*",))
    assert foreign is not None
    async with observer(servers, tmp_path, name="webhooks", QL_WEBHOOK_PRIVATE="1"):
        workflow = await running.submit("a shop")
        assert await running.end(workflow) == "completed"
        calls = await inbox.came(3)
        log = await ended(hooks, all_, "delivered")
    kinds = ("workflow.submitted", "packaging.completed", "workflow.completed")
    wanted = {f"{workflow}.{kind}.1" for kind in kinds}
    assert {call.event["id"] for call in calls} == wanted
    assert {call.id for call in calls} == {delivery.id for delivery in log} == {delivery_id(name) for name in wanted}
    for call in calls:
        assert call.signed_with(secret)
        assert not call.signed_with("whsec_" + base64.b64encode(bytes(32)).decode())
        assert call.headers["content-type"] == "application/cloudevents+json"
        assert call.event["data"]["workflow"] == workflow
        assert "." not in call.id
        assert len(call.body) < MOST_BYTES
    assert {(delivery.status, delivery.attempts, delivery.next_at) for delivery in log} == {(204, 1, "")}
    assert len(inbox.calls) == 3  # nobody else wanted any


async def test_a_process_that_dies_after_a_delivery_sends_it_again_with_the_same_id(
    running: Pipeline, servers: Servers, hooks: Webhooks, inbox: Receiver, database: Database, tmp_path: Path
) -> None:
    hook, secret = await added(hooks, f"{inbox.url}/ok", "workflow.completed")
    settings = {"QL_WEBHOOK_PRIVATE": "1", "QL_CRASH": f"webhooks:after_delivery:{tmp_path / 'died'}"}
    workflow = await running.submit("a shop")
    assert await running.end(workflow) == "completed"
    async with observer(servers, tmp_path, name="webhooks", **settings) as process:
        assert await asyncio.wait_for(process.wait(), 20) == -9
    (waits,) = await hooks.deliveries(TENANT, hook.id, before="", limit=9)
    assert (waits.state, waits.attempts, waits.status) == ("waiting", 1, None)
    connection = await asyncpg.connect(database.admin)
    await connection.execute("UPDATE webhook_deliveries SET next_at = now()")  # its lease is half a minute
    await connection.close()
    async with observer(servers, tmp_path, name="webhooks", **settings):
        (done,) = await ended(hooks, hook, "delivered")
    first, second = inbox.of("/ok")
    assert first.id == second.id == done.id == delivery_id(f"{workflow}.workflow.completed.1")
    assert first.body == second.body
    assert second.signed_with(secret)
    assert done.attempts == 2


async def test_it_is_tried_again_until_it_is_taken_or_given_up_and_sent_again_when_asked(
    hooks: Webhooks, pool: Pool, inbox: Receiver
) -> None:
    hook, _ = await added(hooks, f"{inbox.url}/fails")
    await Deliveries(pool).record(told())
    async with courier(pool) as running:
        (failed,) = await ended(hooks, hook, "failed")
        assert (failed.status, failed.attempts, failed.error) == (500, 1 + len(QUICK), "it answered 500")
        assert failed.answer == "no \N{REPLACEMENT CHARACTER} today"
        inbox.answers["/fails"] = inbox.answers["/ok"]
        assert await hooks.resend(TENANT, hook.id, failed.id) is not None
        running.soon()
        (done,) = await ended(hooks, hook, "delivered")
    assert (done.attempts, done.error, done.status) == (2 + len(QUICK), "", 204)
    assert {call.id for call in inbox.calls} == {failed.id}
    assert await hooks.resend("other", hook.id, failed.id) is None


async def test_the_schedule_is_days_long_and_kept_in_the_store(hooks: Webhooks, pool: Pool, inbox: Receiver) -> None:
    assert list(RETRIES_S) == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    hook, _ = await added(hooks, f"{inbox.url}/fails")
    await Deliveries(pool).record(told())
    async with courier(pool, retries_s=(7200,)):
        await inbox.came(1, "/fails")
    (waits,) = await hooks.deliveries(TENANT, hook.id, before="", limit=9)
    ahead = datetime.fromisoformat(waits.next_at) - datetime.fromisoformat(waits.tried_at)
    assert waits.state == "waiting"
    assert timedelta(hours=2) <= ahead <= timedelta(hours=2.3)


async def test_a_receiver_that_asks_for_time_gets_it_for_all_its_deliveries_and_the_log_says_so(
    hooks: Webhooks, pool: Pool, inbox: Receiver
) -> None:
    hook, _ = await added(hooks, f"{inbox.url}/busy")
    await Deliveries(pool).record(told())
    async with courier(pool) as running:
        (waits,) = await ended(hooks, hook, "waiting")
        assert waits.status == 429
        assert waits.error == "it answered 429, to be asked again after 3600 s"
        ahead = datetime.fromisoformat(waits.next_at) - datetime.fromisoformat(waits.tried_at)
        assert timedelta(hours=1) <= ahead <= timedelta(hours=1.11)  # and not the twentieth of a second of the schedule
        quick, _ = await added(hooks, f"{inbox.url}/ok")
        await Deliveries(pool).record(told())  # for both
        running.soon()
        await ended(hooks, quick, "delivered")
        await asyncio.sleep(0.2)  # the courier looks every twentieth of a second
    assert len(inbox.of("/busy")) == 1
    async with courier(pool):  # a new one knows nothing of that, and is told the same
        await inbox.came(2, "/busy")


@pytest.mark.parametrize(
    ("status", "said", "wait_s"),
    [
        (503, b"90", 90),
        (429, b" 7 ", 7),
        (429, b"9" * 400, 86_400),
        (503, b"Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        (503, b"Fri, 31 Dec 1999 23:59:59 GMT", 0),
        (503, b"Fri, 31 Dec 2999 23:59:59", 0),
        (503, b"-5", 0),
        (503, b"\xb2", 0),
        (503, b"soon", 0),
        (500, b"90", 0),
    ],
)
async def test_what_retry_after_may_say(status: int, said: bytes, wait_s: float, inbox: Receiver) -> None:
    assert await asked_to_wait(inbox, status, said) == wait_s


async def test_retry_after_may_be_a_time(inbox: Receiver) -> None:
    said = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True).encode()
    assert 7000 < await asked_to_wait(inbox, 429, said) <= 7200


async def asked_to_wait(inbox: Receiver, status: int, said: bytes) -> float:
    """How long a receiver is left alone that says so."""
    inbox.answers["/busy"] = b"HTTP/1.1 %d x\r\nRetry-After: %s\r\ncontent-length: 0\r\n\r\n" % (status, said)
    sender = Sender(private=True)
    answer = await sender.send(f"{inbox.url}/busy", "a", b"{}", [])
    await sender.close()
    return answer.again_s


async def test_gone_turns_a_webhook_off_until_somebody_turns_it_on(
    hooks: Webhooks, pool: Pool, inbox: Receiver
) -> None:
    hook, _ = await added(hooks, f"{inbox.url}/gone")
    await Deliveries(pool).record(told())
    async with courier(pool):
        (refused,) = await ended(hooks, hook, "failed")
        assert (refused.status, refused.attempts) == (410, 1)
        off = await hooks.one(TENANT, hook.id)
        assert off is not None
        assert off.disabled_reason == "its receiver answered 410 Gone"
        await Deliveries(pool).record(told())
        assert len(await hooks.deliveries(TENANT, hook.id, before="", limit=9)) == 1
        inbox.answers["/gone"] = inbox.answers["/ok"]
        on = await hooks.turn_on(TENANT, hook.id)
        assert on is not None
        assert not on.disabled_at
        await Deliveries(pool).record(told())
        await inbox.came(2, "/gone")


async def test_the_same_event_again_and_what_was_before_are_no_news(
    hooks: Webhooks, pool: Pool, inbox: Receiver
) -> None:
    hook, _ = await added(hooks, f"{inbox.url}/ok")
    events = told(3)
    old = told(time=datetime.now(UTC) - timedelta(hours=1))
    await Deliveries(pool).record([*events, *old])
    await Deliveries(pool).record(events)
    async with courier(pool):
        assert len(await ended(hooks, hook, "delivered")) == 3
    await Deliveries(pool).record(events)
    assert len(inbox.calls) == 3
    assert all(each.state == "delivered" for each in await hooks.deliveries(TENANT, hook.id, before="", limit=9))


@pytest.mark.parametrize(
    ("path", "error"),
    [("/moved", "it answered 302: redirects are not followed"), ("/nonsense", "RemoteProtocolError")],
)
async def test_what_is_no_success_is_a_failure(
    path: str, error: str, hooks: Webhooks, pool: Pool, inbox: Receiver
) -> None:
    hook, _ = await added(hooks, inbox.url + path)
    await Deliveries(pool).record(told())
    async with courier(pool, retries_s=()):
        (failed,) = await ended(hooks, hook, "failed")
    assert failed.error.startswith(error)
    assert {call.path for call in inbox.calls} == {path}


async def test_an_answer_without_end_is_not_read_to_its_end(hooks: Webhooks, pool: Pool, inbox: Receiver) -> None:
    hook, _ = await added(hooks, f"{inbox.url}/long")
    await Deliveries(pool).record(told())
    async with courier(pool):
        (done,) = await ended(hooks, hook, "delivered")
    assert done.answer == "x" * 1000


async def test_a_receiver_that_never_answers_holds_up_nobody_else_and_is_given_up(
    hooks: Webhooks, pool: Pool, inbox: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 2.0)
    silent, _ = await added(hooks, f"{inbox.url}/silent")
    quick, _ = await added(hooks, f"{inbox.url}/ok")
    await Deliveries(pool).record(told(6))
    async with courier(pool, retries_s=()):
        await inbox.came(4, "/silent")
        assert len(await ended(hooks, quick, "delivered")) == 6
        assert len(inbox.of("/silent")) == inbox.most["/silent"] == 4
        log = await ended(hooks, silent, "failed")
    assert {delivery.error for delivery in log} == {"no answer within 2 s"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0", "[::1]"])
async def test_nothing_is_sent_to_a_private_address_whatever_its_name(host: str, inbox: Receiver) -> None:
    port = inbox.url.rpartition(":")[2]
    sender = Sender()
    with pytest.raises(NotSent, match="no public address"):
        await sender.send(f"https://{host}:{port}/ok", "1", b"{}", [bytes(32)])
    with pytest.raises(NotSent, match="not https"):
        await sender.send(f"http://{host}:{port}/ok", "1", b"{}", [bytes(32)])
    await sender.close()
    assert inbox.calls == []


async def test_the_address_that_was_checked_is_the_one_that_is_used(
    inbox: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def rebinding(host: str, *rest: object, **more: object) -> object:
        """A name of another's that answers one thing to who checks, and another to who asks again."""
        if host != "rebound.example":
            return resolve(host, *rest, **more)  # type: ignore[arg-type]
        asked.append(host)
        return resolve("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    sender = Sender(private=True)
    port = inbox.url.rpartition(":")[2]
    answer = await sender.send(f"http://rebound.example:{port}/ok", "1", b"{}", [bytes(32)])
    await sender.close()
    assert answer.status == 204
    assert len(asked) == 1
    assert inbox.calls[0].headers["host"] == f"rebound.example:{port}"


async def test_a_server_that_is_not_who_it_says_gets_nothing(inbox: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "CONNECT_S", 0.5)
    sender = Sender(private=True)
    with pytest.raises(NotSent):  # it speaks no TLS at all
        await sender.send(inbox.url.replace("http://", "https://") + "/ok", "1", b"{}", [bytes(32)])
    await sender.close()
    assert inbox.calls == []
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


async def test_while_a_secret_changes_both_sign(hooks: Webhooks, pool: Pool, inbox: Receiver) -> None:
    hook, first = await added(hooks, f"{inbox.url}/ok")
    second = f"whsec_{base64.b64encode(await hooks.rotate(TENANT, hook.id, keep_s=60)).decode()}"
    async with courier(pool):
        await Deliveries(pool).record(told())
        (both,) = await inbox.came(1)
        third = f"whsec_{base64.b64encode(await hooks.rotate(TENANT, hook.id, keep_s=0)).decode()}"
        await Deliveries(pool).record(told())
        *_, last = await inbox.came(2)
    assert both.signed_with(first)
    assert both.signed_with(second)
    assert last.signed_with(third)
    assert not last.signed_with(second)


async def test_deliveries_are_forgotten_after_the_stream_has_forgotten(
    hooks: Webhooks, pool: Pool, database: Database, inbox: Receiver
) -> None:
    hook, _ = await added(hooks, f"{inbox.url}/ok")
    await Deliveries(pool).record(told(2))
    connection = await asyncpg.connect(database.admin)
    await connection.execute(
        "UPDATE webhook_deliveries SET created_at = now() - interval '36 days' "
        "WHERE id = (SELECT min(id) FROM webhook_deliveries)"
    )
    await connection.close()
    assert await Deliveries(pool).prune() == 1
    assert len(await hooks.deliveries(TENANT, hook.id, before="", limit=9)) == 1


def test_what_is_too_long_is_told_by_a_reference() -> None:
    data = WorkflowFailed(tenant=TENANT, workflow=str(ULID()), stage="packaging", error="x" * MOST_BYTES)
    made = event(data, stage="workflow", outcome="failed", revision=1, time="2026-01-01T00:00:00Z")
    short = msgspec.json.decode(thin(made))
    assert short["dataref"] == f"/v1/workflows/{data.workflow}"
    assert "data" not in short
    assert short["id"] == made.id


async def test_a_courier_that_looks_no_more_is_not_live(pool: Pool) -> None:
    async with courier(pool) as running:
        running.ping()
        assert running._looking
        running._looking.cancel()
        await asyncio.wait([running._looking])
        with pytest.raises(RuntimeError, match="the courier of this process ended"):
            running.ping()
