"""The ledger: every answer from outside, under the hash of its question, kept before anybody uses it."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

import msgspec

from .pg.pool import Pool, connected

MAX_BYTES = 4 * 1024 * 1024
"""Of one compressed answer."""

_SLOW = 256 * 1024  # bytes from which compression would hold up the event loop


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered, by which model, for how many tokens."""

    text: str
    finish_reason: str
    model: str
    tokens_in: int
    tokens_out: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that was paid for (`cost` in US dollars), and for whom."""

    tenant: str
    workflow: str
    stage: str
    question: str
    answer: Answer
    cost: float


class AnswerTooLong(ValueError):
    """An answer is longer than the ledger keeps."""


class Ledger(Protocol):
    """`question` is a sha256 in hex. Answers never cross tenants."""

    async def get(self, tenant: str, question: str) -> Answer | None:
        """The answer, if it was ever given."""
        ...

    async def put(
        self, tenant: str, question: str, answer: Answer, *, workflow: str, stage: str, cost: float = 0.0
    ) -> Answer:
        """Keep the answer, and what it used; the first one is kept and returned. Raises `AnswerTooLong`."""
        ...


GET = """
    SELECT answer, finish_reason, model, tokens_in, tokens_out FROM ledger WHERE tenant = $1 AND question = $2
"""
# A second answer to the same question was paid for too: its usage counts.
PUT = """
    WITH used AS (
        INSERT INTO usage (tenant, question, model, tokens_in, tokens_out, cost, workflow_id, stage)
        VALUES ($1, $2, $3, $6, $7, $8, $9, $10)
    )
    INSERT INTO ledger (tenant, question, model, answer, finish_reason, tokens_in, tokens_out, cost, workflow_id, stage)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (tenant, question) DO NOTHING RETURNING true
"""


@dataclass(frozen=True, slots=True)
class PgLedger:
    """For role ql_worker."""

    pool: Pool

    async def get(self, tenant: str, question: str) -> Answer | None:
        async with connected(self.pool) as connection:
            record = await connection.fetchrow(GET, tenant, bytes.fromhex(question))
        if record is None:
            return None
        return Answer(
            text=await _text(record["answer"]),
            finish_reason=record["finish_reason"],
            model=record["model"],
            tokens_in=record["tokens_in"],
            tokens_out=record["tokens_out"],
        )

    async def put(
        self, tenant: str, question: str, answer: Answer, *, workflow: str, stage: str, cost: float = 0.0
    ) -> Answer:
        body = await _compressed(answer.text)
        async with connected(self.pool) as connection:
            first = await connection.fetchval(
                PUT,
                tenant,
                bytes.fromhex(question),
                answer.model,
                body,
                answer.finish_reason,
                answer.tokens_in,
                answer.tokens_out,
                Decimal(str(cost)),
                workflow,
                stage,
            )
        kept = answer if first else await self.get(tenant, question)
        return kept or answer


@dataclass(slots=True)
class MemoryLedger:
    """The twin; `used` holds every answer that came, in order."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    used: list[Usage] = field(default_factory=list)

    async def get(self, tenant: str, question: str) -> Answer | None:
        return self.answers.get((tenant, question))

    async def put(
        self, tenant: str, question: str, answer: Answer, *, workflow: str, stage: str, cost: float = 0.0
    ) -> Answer:
        await _compressed(answer.text)
        usage = Usage(tenant=tenant, workflow=workflow, stage=stage, question=question, answer=answer, cost=cost)
        self.used.append(usage)
        return self.answers.setdefault((tenant, question), answer)


async def _compressed(text: str) -> bytes:
    body = text.encode("utf-8", "surrogatepass")
    packed = await asyncio.to_thread(zlib.compress, body) if len(body) > _SLOW else zlib.compress(body)
    if len(packed) > MAX_BYTES:
        raise AnswerTooLong(f"an answer of {len(text)} characters is more than the ledger keeps")
    return packed


async def _text(packed: bytes) -> str:
    """Packed bytes do not tell how long they are unpacked."""
    unpacking = zlib.decompressobj()
    start = unpacking.decompress(packed, _SLOW)
    return start.decode("utf-8", "surrogatepass") if unpacking.eof else await asyncio.to_thread(_whole, packed)


def _whole(packed: bytes) -> str:
    return zlib.decompress(packed).decode("utf-8", "surrogatepass")
