"""Finished workflows in the tables, as many as asked for: what a factory has after months, written as SQL.

They are older than what the stream keeps, like everything that piles up.
"""

from __future__ import annotations

import asyncpg

PARTITION = """
    CREATE TABLE IF NOT EXISTS events_filled PARTITION OF events FOR VALUES FROM ('0000000000') TO ('0100000000')
"""
WORKFLOWS = """
    INSERT INTO workflows (id, tenant, state, prompt, language, body_sha256, deadline, created_at, ended_at)
    SELECT '00' || lpad(upper(to_hex(n)), 24, '0'), 'default', 'completed', 'nothing', 'python', sha256('x'),
        now() - interval '100 days', now() - interval '101 days', now() - interval '100 days'
    FROM generate_series($1::bigint, $2::bigint) AS n
"""
DROPS = """
    INSERT INTO drops (
        workflow_id, tenant, stage, revision, state, epoch, attempts, artifact_key, artifact_offset, artifact_length,
        artifact_sha256, media_type, inputs, created_at, updated_at
    )
    SELECT w.id, w.tenant, 'step_' || s, 1, 'completed', 1, 1, 'packs/default/' || h.hash, s * 2140, 2140, h.hash,
        'application/vnd.quantumlayer.noop.v1+json', jsonb_build_array(jsonb_build_object(
            'drop', w.id || '.step_' || s - 1 || '.1', 'revision', 1, 'sha256', h.hash, 'stage', 'step_' || s - 1
        )), w.created_at, w.ended_at
    FROM workflows w CROSS JOIN generate_series(0, $3::int - 1) AS s
    CROSS JOIN LATERAL (SELECT encode(sha256((w.id || s)::bytea), 'hex') AS hash) AS h
    WHERE w.id BETWEEN '00' || lpad(upper(to_hex($1::bigint)), 24, '0')
        AND '00' || lpad(upper(to_hex($2::bigint)), 24, '0')
"""
EVENTS = """
    INSERT INTO events (workflow_id, id, tenant, stage, subject, body, created_at, published_seq)
    SELECT d.workflow_id, d.workflow_id || '.' || d.stage || '.completed.1', d.tenant, d.stage,
        'ql.evt.default.' || d.workflow_id || '.' || d.stage || '.completed.1',
        convert_to(repeat(d.artifact_sha256, 10), 'UTF8'), d.created_at,
        $3::bigint + row_number() OVER ()
    FROM drops d WHERE d.workflow_id BETWEEN '00' || lpad(upper(to_hex($1::bigint)), 24, '0')
        AND '00' || lpad(upper(to_hex($2::bigint)), 24, '0')
"""
BATCH = 50_000
INDEXES = """
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
    WHERE i.indrelid = 'drops'::regclass AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""
"""Those by hash are filled in no order: made afterwards, they take a tenth of the time."""


async def fill(admin: str, workflows: int, stages: int) -> None:
    """Write that many, with their drops and events. The server's own checks of references are left out: it is quick."""
    connection = await asyncpg.connect(admin)
    try:
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(PARTITION)
        indexes = await connection.fetch(INDEXES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        for first in range(0, workflows, BATCH):
            last = min(first + BATCH, workflows) - 1
            await connection.execute(WORKFLOWS, first, last)
            await connection.execute(DROPS, first, last, stages)
            await connection.execute(EVENTS, first, last, first * stages)
        for index in indexes:
            await connection.execute(index["definition"])
        for table in ("workflows", "drops", "events"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await connection.close()
