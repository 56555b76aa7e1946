"""The learning observer as a process: what got the best grade is remembered, once, and told to who asks."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from ulid import ULID

from tests.flow.noop import TENANT, Pipeline, Servers
from tests.servers import Database
from tests.workers.chain import Made
from tests.workers.observers.conftest import observer
from workers.kit.ports import PastPrompt
from workers.kit.runner.api import call
from workers.kit.similar.about import about
from workers.kit.similar.client import SimilarClient
from workers.kit.similar.embedding import Hashing
from workers.kit.similar.service import arm
from workers.kit.similar.store import FOLDER, Store
from workers.kit.stage import Run
from workers.kit.stores.pg import open_pool
from workers.kit.stores.pg.pool import transaction
from workers.kit.stores.pg.retrievals import PgRetrievals
from workers.kit.stores.pg.retrievals import arms as arms_of
from workers.kit.stores.retrievals import ArmReport

PROMPT = "A web API that keeps books with author, title and year."
NEVER = {"QL_LEARNING_HOLDOUT": "0"}


def run(stage: str, workflow: str = "", attempt: int = 1) -> Run:
    return Run(tenant=TENANT, workflow=workflow or str(ULID()), stage=stage, revision=1, inputs={}, attempt=attempt)


async def settled(running: Pipeline) -> None:
    """Until every fact was delivered and acknowledged."""
    async with asyncio.timeout(30):
        while True:
            info = await call(running.nc, "CONSUMER.INFO.QL.learning")
            if not info["num_pending"] and not info["num_ack_pending"]:
                return
            await asyncio.sleep(0.05)


async def finished(running: Pipeline, *prompts: str) -> None:
    for workflow in [await running.submit(prompt) for prompt in prompts]:
        assert await running.end(workflow) == "completed"


async def asked(running: Pipeline, prompt: str, **of: object) -> tuple[PastPrompt, ...]:
    return await SimilarClient(running.nc).prompts(run("prompt_enhancement", **of), prompt)  # type: ignore[arg-type]


async def as_gateway(database: Database, tenant: str) -> Sequence[ArmReport]:
    """What row-level security lets this tenant see of the default one's."""
    pool = await open_pool(database.gateway, 1)
    async with transaction(pool) as connection:
        await connection.execute("SELECT set_config('ql.tenant', $1, true)", tenant)
        found = await arms_of(connection, TENANT)
    await pool.close()
    return found


async def kept(data: Path, text: str) -> int:
    """Points for a text in the files, once the process has ended."""
    store = Store("", data / FOLDER)
    found = await store.near("prompts", TENANT, await Hashing().embed(TENANT, [text]), 50)
    await store.close()
    return len(found[0])


async def test_only_what_got_the_best_grade_is_remembered_and_told(
    running: Pipeline, servers: Servers, parts: Made, tmp_path: Path
) -> None:
    async with observer(servers, tmp_path, **NEVER):
        await finished(running, PROMPT, "A web API for books and shelves of a library, of grade B")
        await settled(running)
        (example,) = await asked(running, "An API for books, each with an author")
        assert example.prompt == PROMPT
        assert example.brief.entities == parts.brief.entities
        assert await asked(running, "a calculator for the area of polygons") == ()
        wanted = {file.path: about(parts.contract, file) for file in parts.contract.files}
        told = await SimilarClient(running.nc).code(run("code_generation"), wanted)
    texts = {file.path: file.text for file in parts.source.files}
    assert told
    for path, samples in told.items():
        assert 0 < len(samples) <= 3
        if len(texts[path]) >= 200:
            assert samples[0].text == texts[path]
    assert await kept(tmp_path, PROMPT) == 1


async def test_a_process_that_dies_before_it_acknowledges_writes_the_same_again(
    running: Pipeline, servers: Servers, tmp_path: Path
) -> None:
    mark = tmp_path / "died"
    await finished(running, PROMPT)
    async with observer(servers, tmp_path, QL_CRASH=f"learning:after_learning:{mark}", **NEVER) as process:
        assert await asyncio.wait_for(process.wait(), 20) == -9
    info = await call(running.nc, "CONSUMER.INFO.QL.learning")
    assert info["num_ack_pending"] == 1
    async with observer(servers, tmp_path, QL_CRASH=f"learning:after_learning:{mark}", **NEVER):
        await settled(running)
        assert len(await asked(running, PROMPT)) == 1
    assert await kept(tmp_path, PROMPT) == 1


async def test_what_was_told_once_is_told_for_ever(running: Pipeline, servers: Servers, tmp_path: Path) -> None:
    assert await asked(running, "An API for books") == ()  # nobody answers yet
    async with observer(servers, tmp_path, **NEVER):
        await finished(running, PROMPT)
        await settled(running)
        assert await asked(running, "An API for books", attempt=2) == ()  # what the first attempt was not told
        first = await asked(running, "An API for books")
        assert len(first) == 1
        none = await asked(running, "Loans of books to members of a club")
        await finished(running, "An API for books and authors", "Loans of books to the members of a club")
        await settled(running)
        assert await asked(running, "An API for books") == first
        assert await asked(running, "An API for books", attempt=2) == first
        assert await asked(running, "Loans of books to members of a club") == none
        assert len(await asked(running, "An API for books, please")) > len(first)


async def test_a_damaged_store_costs_the_examples_and_nothing_else(
    running: Pipeline, servers: Servers, tmp_path: Path
) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "meta.json").write_text("{", encoding="utf-8")
    async with observer(servers, tmp_path, **NEVER) as process:
        await finished(running, PROMPT)
        async with asyncio.timeout(20):
            while not (await call(running.nc, "CONSUMER.INFO.QL.learning"))["num_redelivered"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert await asked(running, "An API for books") == ()
        assert process.returncode is None
        (tmp_path / FOLDER / "meta.json").unlink()
        await settled(running)
        assert len(await asked(running, "An API for books")) == 1  # that it was away was no answer
        assert len(await asked(running, "An API for many books")) == 1


async def test_the_held_out_are_told_nothing_and_both_arms_are_reported(
    running: Pipeline, servers: Servers, database: Database, tmp_path: Path
) -> None:
    async with observer(servers, tmp_path, QL_LEARNING_HOLDOUT="0.5"):
        await finished(running, PROMPT)
        await settled(running)
        workflows = [await running.submit(f"{PROMPT} Variant {n}, grade {'AB'[n % 2]}.") for n in range(12)]
        arms = {"examples": 0, "held_out": 0}
        for n, workflow in enumerate(workflows):
            arms[arm(workflow, 0.5)] += 1
            examples = await asked(running, f"An API for books. Variant {n}", workflow=workflow)
            assert bool(examples) is (arm(workflow, 0.5) == "examples")
            assert await running.end(workflow) == "completed"
    pool = await open_pool(database.worker, 1)
    reports = {report.arm: report for report in await PgRetrievals(pool).arms(TENANT)}
    assert await PgRetrievals(pool).arms("other") == []
    await pool.close()
    assert await as_gateway(database, TENANT) == list(reports.values())
    assert await as_gateway(database, "other") == []
    assert {name: report.workflows for name, report in reports.items()} == {n: c for n, c in arms.items() if c}
    for name, report in reports.items():
        graded = [3 if n % 2 else 4 for n, workflow in enumerate(workflows) if arm(workflow, 0.5) == name]
        told = len(graded) if name == "examples" else 0
        assert report.grade is not None
        assert abs(report.grade - sum(graded) / len(graded)) < 1e-9
        assert replace(report, grade=None) == ArmReport(
            arm=name, workflows=len(graded), told=told, failed=0, grade=None, repairs=0, cost=0
        )


async def test_it_goes_on_when_the_stream_was_lost(running: Pipeline, servers: Servers, tmp_path: Path) -> None:
    async with observer(servers, tmp_path, **NEVER) as process:
        await finished(running, PROMPT)
        await settled(running)
        await call(running.nc, "STREAM.DELETE.QL")
        await running.keeper.keep()
        for worker in running.workers:
            worker.reconnected()
        await finished(running, "Loans of books to the members of a club")
        await settled(running)
        (example,) = await asked(running, "Loans of books, and their members")
        assert example.prompt == "Loans of books to the members of a club"
        assert process.returncode is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, b"needs QL_NATS_URL, QL_DATABASE_URL, QL_S3_URL, QL_QDRANT_URL or QL_DATA"),
        ({"QL_LEARNING_HOLDOUT": "2"}, b"QL_LEARNING_HOLDOUT: "),
    ],
)
async def test_a_mistake_in_the_settings_is_told_at_once(settings: dict[str, str], sentence: bytes) -> None:
    command = [sys.executable, "-m", "workers.observers", "learning"]
    process = await asyncio.create_subprocess_exec(*command, env={"PATH": os.defpath, **settings}, stderr=PIPE)
    _, said = await process.communicate()
    assert process.returncode == 2
    assert sentence in said
    assert b"Traceback" not in said
