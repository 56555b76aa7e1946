"""A workflow's ledger out of PostgreSQL and into it, for either role: within one tenant."""

from __future__ import annotations

from decimal import Decimal

import asyncpg

from workers.kit.stores.bodies import Bodies, Objects
from workers.kit.stores.calls import Entry
from workers.kit.stores.recording import Recording

from .ledger import LINE, REASON
from .pool import Pool, as_tenant

COLUMNS = """
    l.question, l.asked, l.asked_ref, l.answer, l.answer_ref, l.finish_reason, l.model, l.provider, l.tokens_in,
    l.tokens_out, l.cost, l.stage, l.task, l.role, l.schema_name, l.revision"""
# What its calls name, whoever asked first, with its own reason for a stand-in: a call that failed was not given what
# another got. An answer from before the ledger kept questions can't be found by its own.
ENTRIES = f"""
    WITH {LINE}
    SELECT {COLUMNS}, CASE WHEN l.instead = '' THEN '' ELSE coalesce(({REASON.format("l")}), l.instead) END AS instead
    FROM ledger l
    WHERE l.tenant = $1 AND (l.asked <> '' OR l.asked_ref <> '') AND l.question IN (
        SELECT u.question FROM usage u WHERE u.tenant = $1 AND u.workflow_id = $2 AND u.outcome <> 'failed'
    )
    ORDER BY l.question
"""  # noqa: S608  # constants only
ENTRY = f"SELECT {COLUMNS}, l.instead FROM ledger l WHERE l.tenant = $1 AND l.question = $2"  # noqa: S608  # constants only
IMPORT = """
    INSERT INTO ledger (
        tenant, question, workflow_id, asked, asked_ref, answer, answer_ref, finish_reason, model, provider,
        tokens_in, tokens_out, cost, instead, stage, task, role, schema_name, revision, imported
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, true)
    ON CONFLICT (tenant, question) DO NOTHING RETURNING true
"""


class PgRecordings:
    """`objects` is where what is above 4 MiB lies."""

    def __init__(self, pool: Pool, objects: Objects | None = None) -> None:
        self._pool = pool
        self._bodies = Bodies(objects)

    async def export(self, tenant: str, workflow: str) -> Recording:
        """Every answer that the workflow used, in the order of their questions."""
        async with as_tenant(self._pool, tenant) as connection:
            records = await connection.fetch(ENTRIES, tenant, workflow)
        return Recording(workflow=workflow, entries=tuple([await self._entry(record) for record in records]))

    async def entry(self, tenant: str, question: str) -> Entry | None:
        """The answer that the ledger has for this question; what was asked is '' where it was not kept."""
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(ENTRY, tenant, bytes.fromhex(question))
        return await self._entry(record) if record else None

    async def _entry(self, record: asyncpg.Record) -> Entry:
        asked = await self._bodies.text(record["asked"], record["asked_ref"])
        answer = await self._bodies.text(record["answer"], record["answer_ref"])
        return Entry(
            question=record["question"].hex(),
            asked=asked.decode(),
            answer=answer.decode("utf-8", "surrogatepass"),
            finish_reason=record["finish_reason"],
            model=record["model"],
            provider=record["provider"],
            tokens_in=record["tokens_in"],
            tokens_out=record["tokens_out"],
            cost=float(record["cost"]),
            instead=record["instead"],
            stage=record["stage"],
            task=record["task"],
            role=record["role"],
            schema_name=record["schema_name"],
            revision=record["revision"],
        )

    async def bring_in(self, tenant: str, recording: Recording) -> int:
        """Keep what the tenant's ledger does not hold yet; how many entries that were. All of them, or none."""
        rows = [await self._row(tenant, recording.workflow, entry) for entry in recording.entries]
        new = 0
        async with as_tenant(self._pool, tenant) as connection:
            for row in rows:
                new += bool(await connection.fetchval(IMPORT, *row))
        return new

    async def _row(self, tenant: str, workflow: str, entry: Entry) -> tuple[object, ...]:
        asked, asked_ref = await self._bodies.kept(tenant, entry.asked.encode())
        answer, answer_ref = await self._bodies.kept(tenant, entry.answer.encode())
        return (
            tenant,
            bytes.fromhex(entry.question),
            workflow,
            asked,
            asked_ref,
            answer,
            answer_ref,
            entry.finish_reason,
            entry.model,
            entry.provider,
            entry.tokens_in,
            entry.tokens_out,
            Decimal(str(entry.cost)),
            entry.instead,
            entry.stage,
            entry.task,
            entry.role,
            entry.schema_name,
            entry.revision,
        )
