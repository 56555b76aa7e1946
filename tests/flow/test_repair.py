"""The way back: a damaged file is refused and comes back whole; one that stays damaged ends in an honest grade.

All fourteen stages in this process on real servers; the model is the blueprint behind an adapter that spoils one file.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from contracts.artifacts import SourceTree, Submission, ValidationReport, decode
from contracts.topology import TOPOLOGY
from deploy.local.stack import Stack
from tests.flow.conftest import PROMPTS
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.damage import Damaged
from tests.servers import Database, data_folder
from tests.workers.chain import direct, make
from workers.kit.capsule import unpack
from workers.kit.capsule.manifest import MANIFEST, Manifest
from workers.kit.ports import Llm
from workers.kit.stores.drops import DropRow

PROMPT = (PROMPTS / "geometry.txt").read_text(encoding="utf-8")


@asynccontextmanager
async def factory(servers: Servers, data: Path, llm: Llm) -> AsyncIterator[Pipeline]:
    stages = {name: importlib.import_module(f"workers.{name}.stage").STAGE for name in TOPOLOGY.stages}
    async with pipeline(servers, TOPOLOGY, stages, given={Llm: llm}, data=data) as running:
        yield running


@pytest.fixture(scope="module")
def data(reachable: Path) -> Path:
    return data_folder(reachable / "repair")


@pytest.fixture
def servers(stack: Stack, database: Database, bucket: str, nats_url: str) -> Servers:
    return Servers(nats=nats_url, worker=database.worker, gateway=database.gateway, s3=stack.urls.s3, bucket=bucket)


async def damaged_file() -> str:
    """A module of the package that the prompt gives: the last one that code_generation is asked for."""
    made = await make(Submission(prompt=PROMPT), direct())
    return next(
        file.path for file in reversed(made.contract.files) if file.path.endswith(".py") and file.requirement_ids
    )


def rows(drops: list[DropRow], stage: str) -> list[tuple[int, str]]:
    return [(drop.revision, drop.state) for drop in drops if drop.stage == stage]


async def manifest(running: Pipeline, drops: list[DropRow], folder: Path) -> Manifest:
    last = next(drop for drop in reversed(drops) if drop.stage == TOPOLOGY.last.name)
    assert last.artifact is not None
    package = await asyncio.to_thread(unpack, await running.artifacts.get(last.artifact), folder)
    return msgspec.json.decode((package / MANIFEST).read_bytes(), type=Manifest)


@pytest.mark.parametrize("how", ["cut", "syntax"])
async def test_a_damaged_file_is_refused_and_comes_back_whole(
    servers: Servers, data: Path, tmp_path: Path, how: str
) -> None:
    path = await damaged_file()
    llm = Damaged(direct(), path, how)  # type: ignore[arg-type]  # the two values of the parameter are its type's
    async with factory(servers, data, llm) as running:
        workflow = await running.submit(PROMPT)
        assert await running.end(workflow, 100) == "completed"
        drops = list(await running.reads.drops(TENANT, workflow))
        assert rows(drops, "code_generation") == [(1, "completed"), (2, "completed")]
        assert rows(drops, "semantic_validation") == [(1, "rejected"), (2, "completed")]
        assert rows(drops, "test_generation") == [(1, "completed")]
        refused = next(drop for drop in drops if drop.state == "rejected")
        assert (refused.opens, refused.target) == (2, "code_generation")
        assert refused.artifact is not None
        report = decode(await running.artifacts.get(refused.artifact), ValidationReport)
        assert {finding.path for finding in report.findings if finding.severity == "error"} == {path}
        assert all(finding.line > 0 for finding in report.findings if finding.severity == "error")
        made = await manifest(running, drops, tmp_path)
    assert llm.damaged == 1
    revisions = {file.path: file.revision for file in made.files if file.stage == "code_generation"}
    assert {name for name, revision in revisions.items() if revision == 2} == {path}
    assert made.grade == "A"


async def test_what_stays_damaged_is_delivered_after_the_last_round_with_an_honest_grade(
    servers: Servers, data: Path, tmp_path: Path
) -> None:
    path = await damaged_file()
    async with factory(servers, data, Damaged(direct(), path, always=True)) as running:
        workflow = await running.submit(PROMPT)
        assert await running.end(workflow, 100) == "completed"
        drops = list(await running.reads.drops(TENANT, workflow))
        validations = [drop for drop in drops if drop.stage == "semantic_validation"]
        assert [drop.state for drop in validations].count("rejected") == TOPOLOGY["semantic_validation"].rounds
        assert validations[-1].unmet
        made = await manifest(running, drops, tmp_path)
        tree = next(drop for drop in reversed(drops) if drop.stage == "code_generation" and drop.state == "completed")
        assert tree.artifact is not None
        source = decode(await running.artifacts.get(tree.artifact), SourceTree)
    assert made.grade == "F"
    assert any(path in reason for reason in made.reasons)
    assert "def broken(:" in next(file.text for file in source.files if file.path == path)
