"""Real servers, a pipeline of four stages with a real brief, contract and source tree, and the observer's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.artifacts import Brief, Capsule, Contract, Grade, SourceTree, Submission
from contracts.topology import Stage, Topology
from deploy.local.stack import Stack
from tests.flow.noop import Pipeline, Servers, pipeline
from tests.servers import Database
from tests.workers.chain import SUBMISSION, Made, direct, make

TOPOLOGY = Topology(
    [
        Stage(name="prompt_enhancement", needs=(), produces=Brief),
        Stage(name="project_structure", needs=("prompt_enhancement",), produces=Contract),
        Stage(name="code_generation", needs=("project_structure",), produces=SourceTree),
        Stage(name="packaging", needs=("code_generation",), produces=Capsule),
    ]
)


@pytest.fixture
def servers(stack: Stack, database: Database, bucket: str, nats_url: str) -> Servers:
    return Servers(nats=nats_url, worker=database.worker, gateway=database.gateway, s3=stack.urls.s3, bucket=bucket)


@pytest.fixture(scope="session")
async def parts() -> Made:
    return await make(SUBMISSION, direct())


@pytest.fixture
async def running(servers: Servers, parts: Made) -> AsyncIterator[Pipeline]:
    """A prompt that names a grade gets it."""

    async def enhance(submission: Submission) -> Brief:
        return parts.brief

    async def structure(brief: Brief) -> Contract:
        return parts.contract

    async def write(contract: Contract) -> SourceTree:
        return parts.source

    async def pack(tree: SourceTree, submission: Submission) -> Capsule:
        grade: Grade = "B" if "grade B" in submission.prompt else "A"
        return Capsule(name="books", grade=grade, reasons=(), files=1, archive=submission.prompt.encode())

    stages = dict(zip(TOPOLOGY.stages, (enhance, structure, write, pack), strict=True))
    async with pipeline(servers, TOPOLOGY, stages, ack_wait_s=1, heartbeat_s=0.3) as opened:
        yield opened


@contextlib.asynccontextmanager
async def observer(servers: Servers, data: Path, *, name: str = "learning", **settings: str) -> AsyncIterator[Process]:
    """The process as `ql up` starts it."""
    environ = {
        "PATH": os.defpath,
        "QL_NATS_URL": servers.nats,
        "QL_DATABASE_URL": servers.worker,
        "QL_S3_URL": servers.s3,
        "QL_S3_BUCKET": servers.bucket,
        "QL_DATA": str(data),
        **settings,
    }
    command = [sys.executable, "-m", "workers.observers", name]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=DEVNULL)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)
