"""A credential reads its own durables and its own tenant's events; a real server refuses whatever else is tried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.subjects import STREAM
from contracts.subscriptions import BadName
from deploy.local import tenants
from deploy.local.errors import StackError
from deploy.local.reloading import reload
from deploy.local.stack import NATS, Stack
from workers.keeper.provision import EVENT_STREAM
from workers.kit.runner.api import call

OURS, THEIRS = "acme_billing", "other_billing"
FACT = "ql.evt.acme.w1.packaging.completed.1"


@dataclass(frozen=True, kw_only=True)
class Bus:
    """A server with a stream, two tenants' durables, and one issued credential."""

    stack: Stack
    admin: Client
    folder: Path
    url: str
    password: str

    @property
    def file(self) -> Path:
        return self.folder / tenants.FILE

    @asynccontextmanager
    async def connected(self, password: str = "") -> AsyncIterator[tuple[Client, list[str]]]:
        """The foreign system, and what the server says it refuses."""
        said: list[str] = []

        async def heard(error: Exception) -> None:
            said.append(str(error))

        nc = await nats.connect(
            f"nats://{self.url.rsplit('@')[1]}",
            user=OURS,
            password=password or self.password,
            inbox_prefix=f"_INBOX_{OURS}".encode(),
            allow_reconnect=False,
            error_cb=heard,
        )
        try:
            yield nc, said
        finally:
            await nc.close()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with Stack(tmp_path, frozenset({NATS})) as stack:
        admin = await nats.connect(stack.urls.nats)
        await call(admin, f"STREAM.CREATE.{STREAM}", EVENT_STREAM | {"max_bytes": 1 << 20})
        for durable in (OURS, THEIRS):
            config = {"durable_name": durable, "ack_policy": "explicit"}
            config["filter_subject"] = f"ql.evt.{durable.partition('_')[0]}.>"
            await call(admin, f"CONSUMER.CREATE.{STREAM}.{durable}", {"stream_name": STREAM, "config": config})
        folder = tmp_path / "nats"
        _, password = tenants.issue(folder / tenants.FILE, "acme", "billing")
        await reload(folder, stack.urls.nats)
        yield Bus(stack=stack, admin=admin, folder=folder, url=stack.urls.nats, password=password)
        await admin.close()


async def test_what_it_may(bus: Bus) -> None:
    for n in range(3):
        await bus.admin.jetstream().publish(FACT.replace("w1", f"w{n}"), b"%d" % n)
        await bus.admin.jetstream().publish(FACT.replace("acme", "other").replace("w1", f"w{n}"), b"other")
    async with bus.connected() as (nc, said):
        live = await nc.subscribe("ql.res.acme.>")
        durable = await nc.jetstream(domain="QL").pull_subscribe_bind(durable=OURS, stream=STREAM)
        got = await durable.fetch(3, timeout=5)
        assert [message.data for message in got] == [b"0", b"1", b"2"]
        for message in got:
            await message.ack_sync()
        assert (await durable.consumer_info()).num_pending == 0
        assert (await durable.consumer_info()).num_ack_pending == 0
        await bus.admin.jetstream().publish(FACT.replace("acme", "other").replace("w1", "w9"), b"other")
        await bus.admin.jetstream().publish(FACT.replace("w1", "w9"), b"live")
        assert (await live.next_msg(5)).data == b"live"
        assert said == []


FORBIDDEN_PUBLISHES = (
    FACT,
    "ql.wake.packaging.acme.w1",
    "ql.ctl.acme.w1.cancel",
    "ql.live.acme.w1.packaging",
    "ql.res.acme.w1.packaging.completed.1",
    "ql.dead.acme.w1.packaging",
    "ql.svc.llm.ask",
    "ql.svc.keeper.subscribe",
    "$KV.ql_models.x",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.VARZ",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    f"_INBOX_{THEIRS}.x",
    f"_INBOX_{OURS}.x",
    f"$JS.ACK.{STREAM}.{THEIRS}.1.1.1.1.0",
    f"$JS.ACK.{STREAM}.packaging.1.1.1.1.0",
    *(
        f"{api}.{name}"
        for api in ("$JS.API", tenants.API)
        for name in (
            "INFO",
            "STREAM.NAMES",
            "STREAM.LIST",
            "STREAM.CREATE.MINE",
            f"STREAM.INFO.{STREAM}",
            f"STREAM.UPDATE.{STREAM}",
            f"STREAM.PURGE.{STREAM}",
            f"STREAM.DELETE.{STREAM}",
            f"STREAM.MSG.GET.{STREAM}",
            f"STREAM.MSG.DELETE.{STREAM}",
            f"STREAM.SNAPSHOT.{STREAM}",
            f"STREAM.RESTORE.{STREAM}",
            f"DIRECT.GET.{STREAM}",
            f"DIRECT.GET.{STREAM}.{FACT}",
            f"CONSUMER.NAMES.{STREAM}",
            f"CONSUMER.LIST.{STREAM}",
            f"CONSUMER.CREATE.{STREAM}",
            f"CONSUMER.CREATE.{STREAM}.{OURS}",
            f"CONSUMER.CREATE.{STREAM}.acme_mine",
            f"CONSUMER.CREATE.{STREAM}.acme_mine.ql.evt.acme.>",
            f"CONSUMER.DURABLE.CREATE.{STREAM}.acme_mine",
            f"CONSUMER.DELETE.{STREAM}.{OURS}",
            f"CONSUMER.PAUSE.{STREAM}.{OURS}",
            f"CONSUMER.RESET.{STREAM}.{OURS}",
            f"CONSUMER.UNPIN.{STREAM}.{OURS}",
            f"CONSUMER.MSG.NEXT.{STREAM}.{THEIRS}",
            f"CONSUMER.MSG.NEXT.{STREAM}.packaging",
            f"CONSUMER.INFO.{STREAM}.{THEIRS}",
            f"CONSUMER.INFO.{STREAM}.packaging",
        )
    ),
)
FORBIDDEN_SUBSCRIPTIONS = (
    ">",
    "*.>",
    "ql.>",
    "ql.evt.>",
    "ql.evt.acme.>",
    "ql.wake.>",
    "ql.ctl.>",
    "ql.live.>",
    "ql.live.acme.>",
    "ql.svc.>",
    "ql.res.>",
    "ql.res.*.>",
    "ql.res.other.>",
    "ql.dead.>",
    "_INBOX.>",
    "*.*",
    f"_INBOX_{THEIRS}.>",
    "$JS.>",
    "$JS.API.>",
    f"$JS.API.CONSUMER.CREATE.{STREAM}",
    "$JS.ACK.>",
    "$JS.EVENT.>",
    "$KV.>",
    "$SYS.>",
    "_R_.>",
)


async def test_what_it_may_not_publish_is_refused_by_the_server(bus: Bus) -> None:
    before = (await bus.admin.jetstream().stream_info(STREAM)).state
    async with bus.connected() as (nc, said):
        for subject in FORBIDDEN_PUBLISHES:
            await nc.publish(subject, b"{}", reply=f"_INBOX_{OURS}.answer")
        await nc.flush()
        await asyncio.sleep(0.05)
    refused = [subject for subject in FORBIDDEN_PUBLISHES if any(f'"{subject}"'.lower() in line for line in said)]
    assert refused == list(FORBIDDEN_PUBLISHES)
    after = (await bus.admin.jetstream().stream_info(STREAM)).state
    assert (after.messages, after.last_seq, after.consumer_count) == (before.messages, before.last_seq, 2)


async def test_what_it_may_not_hear_is_refused_by_the_server(bus: Bus) -> None:
    async with bus.connected() as (nc, said):
        for subject in FORBIDDEN_SUBSCRIPTIONS:
            await nc.subscribe(subject)
            await nc.subscribe(subject, queue="packaging")
        await nc.flush()
        await asyncio.sleep(0.05)
    for subject in FORBIDDEN_SUBSCRIPTIONS:
        assert sum(f'subscription to "{subject}"'.lower() in line for line in said) == 2, subject


@pytest.mark.parametrize("api", ["$JS.API", tenants.API])
async def test_a_push_consumer_with_a_foreign_deliver_subject_is_not_made(bus: Bus, api: str) -> None:
    config = {"name": "acme_push", "deliver_subject": "ql.ctl.acme.w1.cancel", "ack_policy": "none"}
    asked = json.dumps({"stream_name": STREAM, "config": config}).encode()
    async with bus.connected() as (nc, _):
        with pytest.raises(NatsError):
            await nc.request(f"{api}.CONSUMER.CREATE.{STREAM}.acme_push", asked, timeout=0.3)
    assert set((await call(bus.admin, f"CONSUMER.NAMES.{STREAM}"))["consumers"]) == {OURS, THEIRS}


@pytest.mark.parametrize(
    "target", ["ql.ctl.acme.w1.cancel", "ql.evt.acme.w2.packaging.completed.1", "ql.svc.llm.ask", f"_INBOX_{THEIRS}.x"]
)
async def test_the_answer_to_a_pull_reaches_nobody_else(bus: Bus, target: str) -> None:
    """The hole of a permission alone: the same pull by a restricted user of our own account forges a message."""
    await bus.admin.jetstream().publish(FACT, b"true")
    await bus.admin.jetstream().publish(FACT.replace("w1", "w3"), b"true")
    reached: list[str] = []

    async def hear(message: Msg) -> None:
        reached.append(message.reply)

    await bus.admin.subscribe(target, cb=hear)
    await bus.admin.flush()
    async with bus.connected() as (nc, said):
        await nc.publish(f"{tenants.API}.CONSUMER.MSG.NEXT.{STREAM}.{OURS}", b'{"batch":1}', reply=target)
        await nc.flush()
        await asyncio.sleep(0.2)
        assert said == []
    assert reached == []
    assert (await bus.admin.jetstream().stream_info(STREAM)).state.messages == 2
    await bus.admin.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{OURS}", b'{"batch":1}', reply=target)
    await bus.admin.flush()
    await asyncio.sleep(0.2)
    assert any(reply.startswith("$JS.ACK") for reply in reached)  # so the trial above could have been seen


async def test_one_that_is_revoked_is_cut_off_and_others_stay(bus: Bus) -> None:
    _, password = tenants.issue(bus.file, "acme", "audit", ("billing",))
    await reload(bus.folder, bus.url)
    async with bus.connected() as (nc, _):
        assert tenants.revoke(bus.file, "acme", "billing")
        await reload(bus.folder, bus.url)
        for _ in range(100):
            if not nc.is_connected:
                break
            await asyncio.sleep(0.02)
        assert not nc.is_connected
    assert b"Authorization Violation" in await login(bus.url, OURS, bus.password)
    assert bus.admin.is_connected
    await bus.admin.jetstream().publish(FACT, b"seen by another")
    audit = await nats.connect(
        bus.url.replace(bus.url.split("//")[1].split("@")[0], f"acme_audit:{password}"),
        inbox_prefix=b"_INBOX_acme_audit",
    )
    durable = await audit.jetstream(domain="QL").pull_subscribe_bind(durable=OURS, stream=STREAM)
    assert (await durable.fetch(1, timeout=5))[0].data == b"seen by another"
    await audit.close()


async def test_it_outlives_a_restart_of_the_server(bus: Bus) -> None:
    await bus.admin.jetstream().publish(FACT, b"before")
    await bus.stack.stop(NATS)
    await bus.stack.start(NATS)
    async with bus.connected() as (nc, _):
        durable = await nc.jetstream(domain="QL").pull_subscribe_bind(durable=OURS, stream=STREAM)
        assert (await durable.fetch(1, timeout=5))[0].data == b"before"


async def login(url: str, user: str, password: str) -> bytes:
    """What the server says to it; by hand, because the library leaves a refused connection open."""
    host, port = url.rpartition("@")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    hello = json.dumps({"user": user, "pass": password, "verbose": False})
    await reader.readline()
    writer.write(f"CONNECT {hello}\r\nPING\r\n".encode())
    said = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return said


async def test_a_wrong_password_and_none_are_refused(bus: Bus) -> None:
    for password in ("", "x" * 48, bus.password[:-1] + "g"):
        assert b"Authorization Violation" in await login(bus.url, OURS, password)
    assert await login(bus.url, OURS, bus.password) == b"PONG\r\n"
    assert bus.password not in bus.file.read_text()


def test_names(tmp_path: Path) -> None:
    """A durable's name says whose it is, and none of ours can be had by a tenant of a fitting name."""
    file = tmp_path / tenants.FILE
    for tenant, name in [("prompt", "enhancement"), ("acme", "b_c"), ("acme", "B"), ("a.b", "c"), ("acme", "")]:
        with pytest.raises(BadName):
            tenants.issue(file, tenant, name)
    with pytest.raises(BadName):
        tenants.issue(file, "code", "reader", ("generation",))
    assert not file.exists()
    tenants.issue(file, "a", "c")
    tenants.issue(file, "a_b", "c", ("x", "y", "x"))
    assert [(each.name, each.durables) for each in tenants.listed(file, "a")] == [("c", ("a_c",))]
    assert [each.durables for each in tenants.listed(file, "a_b")] == [("a_b_x", "a_b_y")]
    with pytest.raises(StackError, match="already"):
        tenants.issue(file, "a", "c")
    assert not tenants.revoke(file, "b", "c")
    assert file.stat().st_mode & 0o077 == 0
