"""Submissions of one tenant, many in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.topology import LIFECYCLE
from workers.kit.stores import news
from workers.kit.stores.drops import KeyConflict, NewWorkflow, StoredEvent, Submitted
from workers.kit.stores.submissions import body_sha256

from .admission import room
from .commits import EVENTS
from .pool import Connection
from .rows import EVENT_COLUMNS, event_arrays, event_of

# In the order of their keys: two gateways that get the same ones wait for each other, not both for both.
SUBMIT = """
    INSERT INTO workflows (
        id, tenant, prompt, language, body_sha256, idempotency_key, traceparent, deadline, created_at, admitted_at,
        budget
    )
    SELECT
        s.id, $1, s.prompt, s.language, s.body_sha256, s.key, s.traceparent, now + s.deadline, now,
        CASE WHEN s.admitted THEN now END, s.budget::numeric
    FROM clock_timestamp() AS now, unnest(
        $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::interval[], $9::boolean[],
        $10::float8[]
    ) AS s (id, prompt, language, body_sha256, key, traceparent, deadline, admitted, budget)
    ORDER BY s.key
    ON CONFLICT (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, created_at
"""
SAME_KEY = """
    SELECT idempotency_key, id, body_sha256 FROM workflows WHERE tenant = $1 AND idempotency_key = ANY($2::text[])
"""
OWED = f"""
    SELECT {EVENT_COLUMNS} FROM events WHERE workflow_id = ANY($1::text[]) AND stage = $2 AND published_seq IS NULL
"""  # noqa: S608  # constants only


async def submit(
    connection: Connection, tenant: str, batch: Sequence[tuple[NewWorkflow, int]]
) -> Sequence[Submitted | Exception]:
    """Within the tenant's transaction. A key stands in the batch once; each comes with how many may be on the bus."""
    free = await room(connection, tenant, min(most for _, most in batch))
    created = await _written(connection, tenant, [new for new, _ in batch], free)
    told = {
        new.id: news.submitted(tenant, new.id, new.submission, created[new.id], new.traceparent)
        for place, (new, _) in enumerate(batch)
        if new.id in created and place < free
    }
    if told:
        await connection.execute(EVENTS, *event_arrays(told.values(), [created[name] for name in told]))
    known = [new for new, _ in batch if new.id not in created]
    again = await _again(connection, tenant, known) if known else {}
    return [
        Submitted(id=new.id, created=True, events=(told[new.id],) if new.id in told else ())
        if new.id in created
        else again[new.id]
        for new, _ in batch
    ]


async def _written(connection: Connection, tenant: str, batch: Sequence[NewWorkflow], free: int) -> dict[str, datetime]:
    """When each one that is new was created."""
    records = await connection.fetch(
        SUBMIT,
        tenant,
        [new.id for new in batch],
        [new.submission.prompt for new in batch],
        [new.submission.language for new in batch],
        [body_sha256(new) for new in batch],
        [new.idempotency_key or None for new in batch],
        [new.traceparent for new in batch],
        [timedelta(seconds=new.deadline_s) for new in batch],
        [place < free for place in range(len(batch))],
        [new.budget for new in batch],
    )
    return {record["id"]: record["created_at"] for record in records}


async def _again(connection: Connection, tenant: str, batch: Sequence[NewWorkflow]) -> dict[str, Submitted | Exception]:
    """What answers the submissions whose keys are known."""
    records = await connection.fetch(SAME_KEY, tenant, [new.idempotency_key for new in batch])
    found = {record["idempotency_key"]: (record["id"], record["body_sha256"]) for record in records}
    owed: dict[str, list[StoredEvent]] = {}
    for record in await connection.fetch(OWED, [name for name, _ in found.values()], LIFECYCLE):
        owed.setdefault(record["workflow_id"], []).append(event_of(record))
    answers: dict[str, Submitted | Exception] = {}
    for new in batch:
        name, body = found.get(new.idempotency_key, ("", b""))
        answers[new.id] = (
            Submitted(id=name, created=False, events=tuple(owed.get(name, ())))
            if body == body_sha256(new)
            else KeyConflict(f"the key {new.idempotency_key!r} came with another submission")
        )
    return answers
