"""The real model router with a model that counts.

It appends a line to QL_DATA/calls at every call, so that the calls of killed processes are counted too.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.chaos.graph import Said
from tests.workers.llm_router.serving import Unwatched
from workers.kit.llm.wire import Question
from workers.kit.prompts.block import read_block
from workers.kit.settings import Settings
from workers.kit.stores.pg import open_pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.llm_router.app import app, connection
from workers.llm_router.breaker import Breaker
from workers.llm_router.bucket import Bucket
from workers.llm_router.chain import Chain
from workers.llm_router.models import Model, read_chains
from workers.llm_router.providers import Blueprint
from workers.llm_router.said import Completion, Facts, Failed, Tell, Vectors
from workers.llm_router.said import Said as Answered
from workers.llm_router.service import Service

CALLS = "calls"
RETRY_S = 0.5


class Counting:
    """A provider: every call of it is one line in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._refused: Counter[tuple[str, str, int]] = Counter()

    def facts(self, model: Model) -> Facts:
        return Facts()

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        return Failed(kind="rejected", error="no embeddings here")

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Answered:
        asked = msgspec.convert(read_block(question.messages[-1].content).inputs, _Asked)
        key = (asked.workflow, asked.stage, asked.revision)
        if self._refused[key] < asked.problems:
            self._refused[key] += 1
            return Failed(kind="busy", error="overloaded on purpose", pause_s=RETRY_S)
        _append(self._file, f"{asked.workflow} {asked.stage} {asked.revision}\n")
        await asyncio.sleep(asked.model_s)
        said = Said(workflow=asked.workflow, stage=asked.stage, revision=asked.revision)
        return Completion(text=msgspec.json.encode(said).decode())


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    workflow: str
    stage: str
    revision: int
    model_s: float
    problems: int


def _append(file: Path, line: str) -> None:
    """One write on a descriptor opened for appending: whole, whoever else writes."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


async def route(settings: Settings) -> None:
    """Answer until SIGTERM."""
    assert settings.data
    pool = await open_pool(settings.database_url, 4)
    try:
        broker = connection(settings)
        chain = Chain(Blueprint(), Counting(settings.data / CALLS), Breaker(Bucket(broker)), Unwatched())
        await app(broker, Service(read_chains("openai/counting"), chain, PgLedger(pool))).run()
    finally:
        await pool.close()
