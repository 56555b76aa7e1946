"""No key of a provider gets out of the router's process, whatever a provider does with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import nats
from msgspec.structs import replace
from nats.aio.msg import Msg

from deploy.local.stack import Stack
from tests.servers import Database
from tests.workers.llm_router.serving import question
from workers.keeper.provision import HEALTH_STREAM, make_stream
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import MODELS, Problem
from workers.kit.settings import Settings

KEY = "sk-planted-9f8e7d6c5b4a39281706"
BODIES = {
    401: '{{"error": {{"message": "Incorrect API key provided: {key}. Bearer {key}", "code": "invalid_api_key"}}}}',
    400: '{{"error": {{"message": "cannot parse x-api-key: {key}", "type": "invalid_request_error"}}}}',
    429: '{{"error": {{"message": "too many requests of {key}"}}}}',
    500: "<html>Authorization: Bearer {key}</html>",
    200: "this is no JSON {key}",
}


@asynccontextmanager
async def telltale() -> AsyncIterator[str]:
    """A provider that answers each model with its own kind of error, and repeats the key that it was given."""
    heard: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            document = msgspec.json.decode(await reader.readexactly(length), type=dict[str, msgspec.Raw])
            status = int(msgspec.json.decode(document["model"], type=str).partition("-")[2])
            key = head.partition("authorization: bearer ")[2].partition("\r\n")[0]
            heard.append(key)
            body = BODIES[status].format(key=key).encode()
            writer.write(f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\nx-key: {key}\r\n".encode())
            writer.write(f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        assert set(heard) == {KEY}  # it had the key, and with every status


async def rows(database: Database) -> str:
    connection = await asyncpg.connect(database.admin)
    try:
        tables = ("ledger", "usage", "calls_running", "workflows")
        return str([await connection.fetch(f"SELECT * FROM {table}") for table in tables])  # noqa: S608  # our own words
    finally:
        await connection.close()


def processes() -> str:
    """What `ps` shows of every process."""
    found = ""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += (folder / "cmdline").read_bytes().decode(errors="replace")
    return found


async def test_a_planted_key_is_nowhere_but_in_the_router_s_memory(
    stack: Stack, nats_url: str, database: Database, bucket: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    nc = await nats.connect(nats_url)
    await make_stream(nc, HEALTH_STREAM)
    seen: list[bytes] = []

    async def see(message: Msg) -> None:
        seen.append(message.data + str(message.headers).encode())

    await nc.subscribe(">", cb=see)
    async with telltale() as url:
        groups = ";".join(f"g{status}=openai/m-{status}@{url}" for status in BODIES)
        env = {
            **os.environ,
            "QL_NATS_URL": nats_url,
            "QL_DATABASE_URL": database.worker,
            "QL_S3_URL": stack.urls.s3,
            "QL_S3_BUCKET": bucket,
            "QL_MODELS": f"openai/m-401@{url};{groups}",
            "QL_LOG_LEVEL": "debug",
            "OPENAI_API_KEY_FILE": str(file),
            "OPENAI_LOG": "debug",
            "LITELLM_LOG": "DEBUG",
            "INITIAL_RETRY_DELAY": "0.01",
            "JITTER": "0",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workers.llm_router", env=env, stdout=PIPE, stderr=PIPE
        )
        try:
            async with asyncio.timeout(90):
                while process.returncode is None:
                    with contextlib.suppress(nats.errors.NoRespondersError, nats.errors.TimeoutError):
                        await nc.request(MODELS, b"", timeout=1)
                        break
                    await asyncio.sleep(0.1)
            for status in BODIES:
                asked = replace(question(f"say {status}"), group=f"g{status}")
                reply = await LlmClient(nc, Settings(llm_silence_s=60)).ask(asked)
                assert isinstance(reply, Problem), reply
            shown = processes()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            said = b"".join(await asyncio.wait_for(process.communicate(), 20))
    await nc.drain()
    kept = await rows(database)
    assert len(seen) > 2 * len(BODIES)
    assert "Incorrect API key provided: [hidden]" in kept
    assert b"llm.health" in said
    for place, text in (("bus", b"".join(seen).decode()), ("logs", said.decode()), ("tables", kept), ("ps", shown)):
        assert KEY not in text, place
        assert KEY[3:] not in text, place
