"""The embedded stack as its users meet it: real servers, asked through their usual clients."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal
import socket
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import nats
import pytest
from minio.error import S3Error

from deploy.local.errors import StackError
from deploy.local.part import is_full
from deploy.local.paths import make_folder, program
from deploy.local.ports import free_ports
from deploy.local.seaweed import ENTRY
from deploy.local.stack import ALL, NATS, POSTGRES, Stack, Urls
from tests.deploy.watching import another, holders, listening
from tests.servers import s3_client

AS_ROOT = os.geteuid() == 0


async def _write(urls: Urls) -> None:
    client = await nats.connect(urls.nats)
    await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
    await client.jetstream().publish("kept", b"news")
    await client.close()
    connection = await asyncpg.connect(urls.database)
    await connection.execute("CREATE TABLE kept AS SELECT 'row' AS what")
    await connection.close()
    s3 = s3_client(urls.s3)
    s3.make_bucket("kept")
    s3.put_object("kept", "object", io.BytesIO(b"bytes"), 5)


async def _read(urls: Urls) -> tuple[bytes | None, str, bytes]:
    client = await nats.connect(urls.nats)
    message = await client.jetstream().get_last_msg("KEPT", "kept")
    await client.close()
    connection = await asyncpg.connect(urls.database)
    row = await connection.fetchval("SELECT what FROM kept")
    await connection.close()
    with s3_client(urls.s3).get_object("kept", "object") as response:
        return message.data, row, response.read()


def _tear(folder: Path) -> None:
    """What a power cut may leave of an index: SeaweedFS would open none of the volume's objects."""
    (index,) = (folder / "s3" / "data").glob("kept_*.idx")
    assert index.stat().st_size == ENTRY
    with index.open("ab") as torn:
        torn.write(bytes(5))


async def test_a_second_start_is_quick_and_finds_the_data_of_the_first(folder: Path) -> None:
    async with Stack(folder) as first:
        await _write(first.urls)
        before = first.urls
    _tear(folder)
    began = time.monotonic()
    async with Stack(folder) as second:
        assert time.monotonic() - began < 10
        assert await _read(second.urls) == (b"news", "row", b"bytes")
        assert second.urls != before  # the ports are chosen anew
    assert second.urls == Urls()
    assert not holders(folder / "lock")


async def test_no_parents_mode_is_changed_and_secrets_are_closed(folder: Path) -> None:
    before = {parent: parent.stat().st_mode for parent in folder.parents}
    async with Stack(folder):
        secret = [folder / "credentials.json", folder / "run.json", folder / "nats/server.conf", folder / "s3/s3.json"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in secret} == {0o600}
        assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("nats", "postgres", "s3", "logs")} == {0o700}
    assert {parent: parent.stat().st_mode for parent in folder.parents} == before


async def test_every_server_listens_on_loopback_only(stack: Stack) -> None:
    servers = holders(stack.data / "lock") - {os.getpid()}
    addresses = {pid: listening(pid) for pid in servers}
    assert set().union(*addresses.values()) == {"127.0.0.1"}
    assert sum(bool(found) for found in addresses.values()) == 3


@pytest.mark.parametrize("login", ["{}", '{"user":"ql","pass":"wrong"}', '{"user":"ql"}'])
async def test_nats_refuses_strangers(stack: Stack, login: str) -> None:
    host, _, port = stack.urls.nats.rpartition("@")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert b'"auth_required":true' in await reader.readline()
    writer.write(f"CONNECT {login}\r\nPING\r\n".encode())
    assert await reader.readline() == b"-ERR 'Authorization Violation'\r\n"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("role", ["ql_admin", "ql_owner", "ql_worker", "ql_gateway"])
async def test_postgresql_refuses_a_wrong_password(stack: Stack, role: str) -> None:
    address = stack.urls.database.rpartition("@")[2]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://{role}:wrong@{address}")


def test_s3_refuses_strangers(stack: Stack, bucket: str) -> None:
    address = stack.urls.s3.rpartition("@")[2]
    access = stack.urls.s3.removeprefix("http://").partition(":")[0]
    for who in ("", f"{access}:wrong@", "stranger:wrong@"):
        with pytest.raises(S3Error) as refused:
            s3_client(f"http://{who}{address}").put_object(bucket, "object", io.BytesIO(b""), 0)
        assert refused.value.code in {"AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"}


async def test_postgresql_keeps_what_it_has_confirmed(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.urls.database)
    shown = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
    method = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'ql_worker'")
    owner = await connection.fetchval("SELECT datdba::regrole::text FROM pg_database WHERE datname = 'quantumlayer'")
    await connection.close()
    assert shown == ["on", "on", "on"]
    assert method.startswith("SCRAM-SHA-256$")
    assert owner == "ql_owner"


@pytest.mark.skipif(not AS_ROOT, reason="only root has a uid to give up")
def test_postgresql_does_not_run_as_root(stack: Stack) -> None:
    pid = int((stack.data / "postgres/postmaster.pid").read_text().split("\n")[0])
    status = Path(f"/proc/{pid}/status").read_text()
    assert "Uid:\t55432\t55432\t55432\t55432" in status
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status


async def test_only_what_is_asked_for_is_started(folder: Path) -> None:
    async with Stack(folder, frozenset({NATS})) as stack:
        assert stack.urls == Urls(nats=stack.urls.nats)
        assert stack.urls.nats.startswith("nats://")
        assert not (folder / "postgres").exists()
        with pytest.raises(StackError, match="not running"):
            stack.database_for("ql_worker")


def test_an_unknown_part_or_role_is_refused(stack: Stack, folder: Path) -> None:
    with pytest.raises(ValueError, match="qdrant"):
        Stack(folder, ALL | {"qdrant"})
    with pytest.raises(ValueError, match="postgres"):
        stack.database_for("postgres")


async def test_a_taken_folder_names_who_took_it(stack: Stack) -> None:
    with pytest.raises(StackError, match=f"is taken by process {os.getpid()}"):
        await Stack(stack.data).start()


async def test_a_stale_pid_file_of_a_reused_pid_does_not_stop_the_start(folder: Path) -> None:
    only = frozenset({POSTGRES})
    async with Stack(folder, only):
        pid_file = (folder / "postgres/postmaster.pid").read_text()
    lines = pid_file.split("\n")
    (folder / "postgres/postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    (folder / "lock").write_text("1")
    async with Stack(folder, only) as stack:
        assert stack.urls.database


async def test_a_server_that_dies_at_start_is_quoted_and_the_others_are_stopped(folder: Path) -> None:
    async with Stack(folder):
        pass
    (folder / "postgres/global/pg_control").write_bytes(b"damaged")
    with pytest.raises(StackError, match=r"(?s)PostgreSQL ended with code .*postgres\.log says: .*pg_control"):
        await Stack(folder).start()
    assert not holders(folder / "lock")


async def test_a_half_made_database_is_made_again(folder: Path) -> None:
    """What a start leaves that was killed within initdb."""
    half = make_folder(folder / "postgres.part", 0o700)
    (half / "PG_VERSION").write_text("18\n")
    async with Stack(folder, frozenset({POSTGRES})) as stack:
        connection = await asyncpg.connect(stack.database_for("ql_owner"))
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    assert not half.exists()


async def test_lost_secrets_are_told_not_replaced(folder: Path) -> None:
    only = frozenset({NATS})
    async with Stack(folder, only):
        pass
    (folder / "credentials.json").unlink()
    with pytest.raises(StackError, match=r"credentials\.json is gone"):
        await Stack(folder, only).start()


async def test_a_taken_port_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another program had bound the port between our look and the server's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        offers = iter([[port]])
        monkeypatch.setattr("deploy.local.part.free_ports", lambda count: next(offers, None) or free_ports(count))
        async with Stack(folder, frozenset({NATS})) as stack:
            assert f":{port}" not in stack.urls.nats
    assert next(offers, None) is None


def test_a_missing_program_is_told_with_its_wheel() -> None:
    with pytest.raises(StackError, match="install the wheel no-such-wheel"):
        program("no-such-server", "no-such-wheel")


@pytest.mark.skipif(not AS_ROOT, reason="PostgreSQL has our own uid otherwise")
async def test_a_folder_that_postgresql_cannot_enter_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"uid 55432 and can't enter"):
        await Stack(tmp_path / "stack", frozenset({POSTGRES})).start()


async def test_a_file_in_the_folders_place_is_told(reachable: Path) -> None:
    (reachable / "file").write_text("")
    with pytest.raises(StackError, match="can't be made"):
        await Stack(reachable / "file").start()


async def test_a_full_disk_is_told_before_anything_is_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.stack.LEAST_FREE", 1 << 60)  # more than this disk has
    with pytest.raises(StackError, match=r"MiB left; the stack needs .*: make room"):
        await Stack(folder).start()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", sorted(ALL))
async def test_a_server_that_dies_is_started_again_where_it_was(folder: Path, kind: str) -> None:
    heard: list[str] = []
    async with Stack(folder, said=heard.append) as stack:
        await _write(stack.urls)
        dead = stack.pid(kind)
        os.kill(dead, signal.SIGKILL)
        await another(stack, kind, dead)
        assert await _read(stack.urls) == (b"news", "row", b"bytes")
    assert len(heard) == 1
    assert "ended with code -9" in heard[0]


async def test_a_server_that_dies_again_and_again_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.part.RESTARTS", 2)
    async with Stack(folder, frozenset({NATS})) as stack:
        failed = asyncio.create_task(stack.failure())
        dead = 0
        for _ in range(3):
            assert not failed.done()
            async with asyncio.timeout(15):
                while stack.pid(NATS) in {0, dead}:  # noqa: ASYNC110 - a process can't tell
                    await asyncio.sleep(0.02)
            dead = stack.pid(NATS)
            os.kill(dead, signal.SIGKILL)
        said = str(await asyncio.wait_for(failed, 5))
    assert said.startswith("NATS ended with code -9")


@pytest.mark.parametrize("kill", [True, False])
async def test_one_that_is_stopped_on_purpose_stays_down_until_it_is_wanted(folder: Path, kill: bool) -> None:
    async with Stack(folder) as stack:
        await _write(stack.urls)
        before = stack.urls
        for kind in ALL:
            await stack.stop(kind, kill=kill)
        await asyncio.sleep(0.5)  # more than the pause before a restart
        assert [stack.pid(kind) for kind in ALL] == [0, 0, 0]
        for kind in ALL:
            await stack.start(kind)
        assert stack.urls == before
        assert await _read(stack.urls) == (b"news", "row", b"bytes")


async def test_a_nats_whose_folder_is_gone_is_started_again_when_it_dies(folder: Path) -> None:
    heard: list[str] = []
    async with Stack(folder, frozenset({NATS}), said=heard.append) as stack:
        shutil.rmtree(folder / "nats")
        await asyncio.sleep(1.5)  # the watchers have looked at the disk
        assert not is_full(folder / "nats")
        dead = stack.pid(NATS)
        os.kill(dead, signal.SIGKILL)
        await another(stack, NATS, dead)
        assert [task.done() for task in (*stack._tending, *stack._probing)] == [False] * 3
    assert len(heard) == 1
    assert "ended with code -9" in heard[0]


async def test_a_server_that_cannot_be_started_for_any_reason_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's place is a file, and each start fails."""
    monkeypatch.setattr("deploy.local.part.RESTARTS", 1)
    async with Stack(folder, frozenset({NATS})) as stack:
        shutil.rmtree(folder / "nats")
        (folder / "nats").write_text("")
        os.kill(stack.pid(NATS), signal.SIGKILL)
        said = await asyncio.wait_for(stack.failure(), 15)
    assert isinstance(said, StackError)
    assert "nats can't be made: File exists" in str(said)


async def test_a_disk_has_room_again_once_it_has_much_and_at_most_once_a_minute(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimpleNamespace(free=1 << 30, total=1 << 40)

    monkeypatch.setattr("deploy.local.part.ROOM_EVERY_S", 0.01)
    heard: list[str] = []
    async with Stack(folder, frozenset({NATS}), said=heard.append) as stack:
        monkeypatch.setattr("deploy.local.part.shutil.disk_usage", lambda _: disk)
        first = stack.pid(NATS)
        for disk.free in (1 << 20, 32 << 20):
            await asyncio.sleep(0.2)
        assert (stack.pid(NATS), len(heard)) == (first, 1)
        disk.free = 64 << 20
        await another(stack, NATS, first)
        second = stack.pid(NATS)
        for disk.free in (1 << 20, 64 << 20):
            await asyncio.sleep(0.5)
        assert stack.pid(NATS) == second
    assert [line.rpartition("disk of ")[2].removeprefix(str(folder)) for line in heard] == [
        "/nats is full: workflows wait until there is room.",
        "/nats has room again. It is started again.",
        "/nats is full: workflows wait until there is room.",
    ]


async def test_a_wiped_nats_has_no_stream(folder: Path) -> None:
    async with Stack(folder, frozenset({NATS})) as stack:
        client = await nats.connect(stack.urls.nats)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
        await client.close()
        with pytest.raises(StackError, match="stop it before"):
            stack.wipe_nats()
        await stack.stop(NATS, kill=True)
        stack.wipe_nats()
        await stack.start(NATS)
        client = await nats.connect(stack.urls.nats)
        assert await client.jetstream().streams_info() == []
        await client.close()
