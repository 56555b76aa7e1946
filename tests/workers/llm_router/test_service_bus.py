"""The router as a process on a real NATS server with a real ledger, asked by the real client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import nats
import pytest
from nats.aio.client import Client

from contracts.artifacts import Brief, Submission
from tests.servers import Database
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import COMPLETE, MODELS, Answer, Message, Models, Problem, Question, Reply
from workers.kit.settings import Settings
from workers.kit.stage import Refused, Run, Transient
from workers.prompt_enhancement.stage import PromptEnhancement

PROMPT = "A REST API for books. A book has a title (required) and a year. I want to add, view, list and delete books."
RUN = Run(tenant="default", workflow="01J0", stage="prompt_enhancement", revision=1, inputs={})


@contextlib.asynccontextmanager
async def router(nats_url: str, database: Database) -> AsyncIterator[Process]:
    env = {**os.environ, "QL_NATS_URL": nats_url, "QL_DATABASE_URL": database.worker}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.llm_router", env=env, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


@pytest.fixture
async def nc(nats_url: str) -> AsyncIterator[Client]:
    client = await nats.connect(nats_url)
    yield client
    await client.close()


async def until_up(nc: Client) -> tuple[str, ...]:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(nats.errors.NoRespondersError, nats.errors.TimeoutError):
                reply = await nc.request(MODELS, b"", timeout=1)
                return msgspec.json.decode(reply.data, type=Models).models
            await asyncio.sleep(0.05)


async def rows(database: Database, table: str) -> int:
    connection = await asyncpg.connect(database.admin)
    try:
        count: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # our own word
        return count
    finally:
        await connection.close()


async def brief(nc: Client, prompt: str = PROMPT, *, silence_s: float = 15) -> Brief:
    llm = LlmClient(nc, Settings(llm_silence_s=silence_s))
    return await PromptEnhancement(llm)(Submission(prompt=prompt), RUN)


async def raw(nc: Client, body: bytes) -> Answer | Problem:
    reply = await nc.request(COMPLETE, body, timeout=10)
    found: Reply = msgspec.json.decode(reply.data, type=Reply)
    assert isinstance(found, Answer | Problem)
    return found


async def test_a_question_is_answered_stored_and_answered_alike_by_every_replica(
    nc: Client, nats_url: str, database: Database
) -> None:
    async with router(nats_url, database), router(nats_url, database):
        assert await until_up(nc) == ("blueprint/default",)
        briefs = await asyncio.gather(*(brief(nc) for _ in range(30)))
    assert briefs[0].entities[0].name == "Book"
    assert all(other == briefs[0] for other in briefs)
    assert await rows(database, "ledger") == 1


async def test_a_refusal_reaches_the_stage_with_its_sentence(nc: Client, nats_url: str, database: Database) -> None:
    async with router(nats_url, database):
        await until_up(nc)
        with pytest.raises(Refused, match="REST API"):
            await brief(nc, "write me a poem")
    assert await rows(database, "ledger") == 0


def asked(content: str) -> bytes:
    messages = (Message(role="user", content=content),)
    return msgspec.json.encode(Question(tenant="t", workflow="w", stage="s", revision=1, task="t", messages=messages))


UNUSABLE = [
    (b"", "can't be read"),
    (b"\xff\x00", "can't be read"),
    (b'{"tenant": 1}', "can't be read"),
    (b'{"schema": ' + b"[" * 100_000, "can't be read"),
    (asked("").replace(b'"tenant":"t"', b'"tenant":"../t"'), "block"),
    (asked(""), "block"),
    (asked('```json\n{"task":"no_such","inputs":{}}\n```'), "no task 'no_such'"),
    (asked('```json\n{"task":"frd_generation","inputs":{"brief":1}}\n```'), "Expected `object`"),
]


async def test_what_no_model_can_use_gets_a_sentence_and_the_service_goes_on(
    nc: Client, nats_url: str, database: Database
) -> None:
    async with router(nats_url, database):
        await until_up(nc)
        for body, sentence in UNUSABLE:
            problem = await raw(nc, body)
            assert isinstance(problem, Problem)
            assert problem.kind == "permanent"
            assert sentence in problem.message
        assert (await brief(nc)).kind == "rest_api"


async def test_with_no_router_the_stage_tries_later(nc: Client) -> None:
    with pytest.raises(Transient, match="no model router is running") as later:
        await brief(nc)
    assert later.value.retry_after == 1


async def test_a_router_that_dies_at_work_is_noticed_and_the_next_one_answers(
    nc: Client, nats_url: str, database: Database
) -> None:
    async with router(nats_url, database) as first:
        await until_up(nc)
        first.send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(brief(nc, silence_s=1))
        await asyncio.sleep(0.2)
        first.kill()
        with pytest.raises(Transient, match="silent for 1 s"):
            await asking
    async with router(nats_url, database):
        await until_up(nc)
        assert (await brief(nc)).entities[0].name == "Book"
    assert await rows(database, "ledger") == 1


async def test_when_the_database_goes_the_stage_tries_later_and_then_is_answered(
    nc: Client, nats_url: str, database: Database
) -> None:
    async with router(nats_url, database):
        await until_up(nc)
        admin = await asyncpg.connect(database.admin)
        name = await admin.fetchval("SELECT current_database()")
        try:
            await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            with pytest.raises(Transient, match="the ledger can't be reached"):
                await brief(nc)
        finally:
            await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
            await admin.close()
        assert (await brief(nc)).entities[0].name == "Book"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, b"the model router needs QL_NATS_URL, QL_DATABASE_URL"),
        (
            {"QL_NATS_URL": "n", "QL_DATABASE_URL": "d", "QL_MODELS": "openai/x"},
            b"openai/x needs OPENAI_API_KEY: set it, or OPENAI_API_KEY_FILE",
        ),
    ],
)
async def test_a_mistake_in_the_settings_is_told_at_once(settings: dict[str, str], sentence: bytes) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("QL_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.llm_router", env={**env, **settings}, stdout=PIPE, stderr=PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert sentence in said


async def test_a_router_without_a_bus_says_so_and_waits(database: Database) -> None:
    async with router("nats://ql:hunter2@127.0.0.1:1", database) as process:
        assert process.stderr
        async with asyncio.timeout(20):
            told = msgspec.json.decode(await process.stderr.readline(), type=dict[str, str])
        assert (told["event"], told["service"]) == ("nats.failed", "llm_router")
        assert "hunter2" not in str(told)
        assert process.returncode is None


async def test_a_wrong_password_ends_the_router_with_a_sentence(nats_url: str, database: Database) -> None:
    user, _, address = nats_url.partition("@")
    async with router(f"{user.rpartition(':')[0]}:hunter2@{address}", database) as process:
        assert process.stderr
        said = await asyncio.wait_for(process.stderr.read(), 20)
        assert await process.wait() == 1
    assert said.decode().splitlines()[-1] == "the bus can't be used: nats: 'Authorization Violation'"
    assert b"hunter2" not in said
    assert b"Traceback" not in said
