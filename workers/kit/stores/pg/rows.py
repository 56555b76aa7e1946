"""Between records of PostgreSQL and the structs of the port."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import asyncpg
import msgspec

from contracts.events import Input, Ref
from workers.kit.stores.drops import StoredEvent, WorkflowRow
from workers.kit.stores.news import rfc3339
from workers.kit.stores.standing import Row

COLUMNS = """
    d.workflow_id, d.stage, d.revision, d.state, d.epoch, d.attempts, d.created_at, d.updated_at, d.lease_until,
    d.retry_at, d.artifact_key, d.artifact_offset, d.artifact_length, d.artifact_sha256, d.media_type, d.opens,
    d.target, d.unmet, d.error"""
EVENT_COLUMNS = "workflow_id, id, tenant, stage, subject, body, published_seq"
WORKFLOW_COLUMNS = "id, tenant, state, prompt, language, created_at, deadline, ended_at, error"


def row_of(record: asyncpg.Record, inputs: tuple[Input, ...] = ()) -> Row:
    """A drop, for the decisions."""
    return Row(
        stage=record["stage"],
        revision=record["revision"],
        state=record["state"],
        epoch=record["epoch"],
        attempts=record["attempts"],
        created_at=record["created_at"],
        updated_at=record["updated_at"],
        lease_until=record["lease_until"],
        retry_at=record["retry_at"],
        artifact=ref_of(record),
        media_type=record["media_type"],
        inputs=inputs,
        opens=record["opens"] or 0,
        target=record["target"] or "",
        unmet=record["unmet"],
        error=record["error"],
    )


def ref_of(record: asyncpg.Record) -> Ref | None:
    """Where the drop's artifact lies; None while it has none."""
    if record["artifact_sha256"] is None:
        return None
    return Ref(
        key=record["artifact_key"],
        offset=record["artifact_offset"],
        length=record["artifact_length"],
        sha256=record["artifact_sha256"],
    )


def inputs_of(record: asyncpg.Record) -> tuple[Input, ...]:
    """The `inputs` column."""
    return msgspec.json.decode(record["inputs"], type=tuple[Input, ...])


def inputs_column(inputs: Sequence[Input]) -> str:
    """What to write into the `inputs` column."""
    return msgspec.json.encode(inputs).decode()


def workflow_of(record: asyncpg.Record) -> WorkflowRow:
    """A workflow, for people."""
    return WorkflowRow(
        id=record["id"],
        tenant=record["tenant"],
        state=record["state"],
        prompt=record["prompt"],
        language=record["language"],
        created_at=rfc3339(record["created_at"]),
        deadline=rfc3339(record["deadline"]),
        ended_at=rfc3339(record["ended_at"]),
        error=record["error"],
    )


def event_of(record: asyncpg.Record) -> StoredEvent:
    """An event of the outbox."""
    return StoredEvent(
        workflow=record["workflow_id"],
        id=record["id"],
        tenant=record["tenant"],
        stage=record["stage"],
        subject=record["subject"],
        body=record["body"],
        seq=record["published_seq"] or 0,
    )


def event_arrays(events: Iterable[StoredEvent], times: Iterable[datetime]) -> tuple[list[object], ...]:
    """The events as the arrays that `unnest` takes: workflow, id, tenant, stage, subject, body, created_at."""
    rows = [
        (e.workflow, e.id, e.tenant, e.stage, e.subject, e.body, time) for e, time in zip(events, times, strict=True)
    ]
    return tuple([row[place] for row in rows] for place in range(7))
