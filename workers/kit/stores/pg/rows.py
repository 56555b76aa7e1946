"""Between records of PostgreSQL and the structs of the port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import asyncpg
import msgspec

from contracts.events import Input, Ref
from workers.kit.stores import asks
from workers.kit.stores.drops import StoredEvent, WorkflowRow
from workers.kit.stores.news import rfc3339
from workers.kit.stores.standing import Row

COLUMNS = """
    d.workflow_id, d.stage, d.revision, d.state, d.epoch, d.attempts, d.created_at, d.updated_at, d.lease_until,
    d.retry_at, d.artifact_key, d.artifact_offset, d.artifact_length, d.artifact_sha256, d.media_type, d.opens,
    d.target, d.unmet, d.error, d.copied_of, d.memo_of"""
OPENERS = f"""SELECT {COLUMNS} FROM drops d
    WHERE d.workflow_id = ANY({{}}::text[]) AND d.opens IS NOT NULL"""  # noqa: S608  # constants only
# A last row of a union that tells the time, and is no drop.
NOW = f"SELECT {', '.join(['NULL'] * 6)}, clock_timestamp(), {', '.join(['NULL'] * 14)}"
# A limit for `few` after which the transaction's end does not wait for the disk.
UNHURRIED = "SELECT 1000000 FROM set_config('synchronous_commit', 'off', true)"
EVENT_COLUMNS = "workflow_id, id, tenant, stage, subject, body, published_seq"
WORKFLOW_COLUMNS = "id, tenant, state, prompt, language, created_at, deadline, ended_at, error, parent, asks"


def row_of(record: asyncpg.Record, inputs: tuple[Input, ...] = ()) -> Row:
    """A drop, for the decisions."""
    # By place, which takes half the time of by name: a claim and a commit read several rows each.
    (_, stage, revision, state, epoch, attempts, created_at, updated_at, lease_until, retry_at) = record[:10]
    (key, offset, length, sha256, media_type, opens, target, unmet, error, copied_of, memo_of) = record[10:21]
    return Row(
        stage=stage,
        revision=revision,
        state=state,
        epoch=epoch,
        attempts=attempts,
        created_at=created_at,
        updated_at=updated_at,
        lease_until=lease_until,
        retry_at=retry_at,
        artifact=None if sha256 is None else Ref(key=key, offset=offset, length=length, sha256=sha256),
        media_type=media_type,
        inputs=inputs,
        opens=opens or 0,
        target=target or "",
        unmet=unmet,
        error=error,
        copied_of=copied_of,
        memo_of=memo_of or 0,
    )


def rows_of(records: Sequence[asyncpg.Record]) -> tuple[defaultdict[str, list[Row]], datetime]:
    """Each workflow's rows, where one may have come twice, and the time that the `NOW` at the end told."""
    found: defaultdict[str, dict[tuple[str, int], Row]] = defaultdict(dict)
    for record in records[:-1]:
        row = row_of(record)
        found[record[0]][row.stage, row.revision] = row
    rows = defaultdict(list, {workflow: list(rows.values()) for workflow, rows in found.items()})
    return rows, records[-1]["created_at"]


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
        parent=record["parent"] or "",
        asks=asks.of_column(record["asks"]),
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


def few(*arrays: str, limit: str = "SELECT 1000000") -> str:
    """A FROM item of one row a place of the arrays (`$1::text[]`, …) and a `unit` of '', as a join's first table.

    A limit that the planner can't know lets it expect one row, and hides from it that `unit` is the same for all. Else
    it expects ten rows, or looks for the unit alone, and a session that planned the statement when a table was small
    reads all of it ever after.
    """
    return f"(SELECT *, '' FROM unnest({', '.join(arrays)}) LIMIT ({limit}))"  # noqa: S608  # constants only


def event_arrays(events: Iterable[StoredEvent], times: Iterable[datetime]) -> tuple[list[object], ...]:
    """The events as the arrays that `unnest` takes: workflow, id, tenant, stage, subject, body, created_at."""
    return (
        columns(
            (e.workflow, e.id, e.tenant, e.stage, e.subject, e.body, time)
            for e, time in zip(events, times, strict=True)
        )
        or ([],) * 7
    )


def columns(rows: Iterable[tuple[object, ...]]) -> tuple[list[object], ...]:
    """The rows as one array a column; no array for no row."""
    return tuple(list(column) for column in zip(*rows, strict=True))
