"""What a person does to a workflow: cancel it, let it go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.artifacts import Submission
from workers.kit.stores import news, standing
from workers.kit.stores.drops import Controlled, StoredEvent
from workers.kit.stores.standing import Row

from . import letters
from .commits import END, EVENTS
from .pool import Connection
from .rows import COLUMNS, WORKFLOW_COLUMNS, event_arrays, row_of, workflow_of

LOCK = f"""
    SELECT {WORKFLOW_COLUMNS}, traceparent, admitted_at FROM workflows WHERE tenant = $1 AND id = $2
    FOR NO KEY UPDATE
"""  # noqa: S608  # constants only
WORKFLOW = f"SELECT {WORKFLOW_COLUMNS} FROM workflows WHERE tenant = $1 AND id = $2"  # noqa: S608
ROWS = f"SELECT {COLUMNS} FROM drops d WHERE d.workflow_id = $1 AND d.unit = ''"  # noqa: S608
REOPEN = """
    UPDATE drops SET opens = $4, target = $5, updated_at = $6
    WHERE workflow_id = $1 AND stage = $2 AND revision = $3 AND unit = ''
"""
GO_ON = """
    UPDATE workflows
    SET state = 'active', error = '', ended_at = NULL, newest = $4,
        deadline = greatest(deadline, $2::timestamptz + $3::interval)
    WHERE id = $1
"""


async def cancel(connection: Connection, tenant: str, workflow: str, reason: str) -> Controlled | None:
    """Within a transaction: end an active workflow as cancelled."""
    head = await connection.fetchrow(LOCK, tenant, workflow)
    if head is None or head["state"] != "active":
        return Controlled(workflow=workflow_of(head), done=False) if head else None
    rows, now = await _rows(connection, workflow)
    trace, newest = head["traceparent"], standing.newest(rows)
    told = [news.cancelled(tenant, workflow, reason, newest, now, trace)]
    if head["admitted_at"] is None:  # it ends before anybody was told of it
        submission = Submission(prompt=head["prompt"], language=head["language"])
        told.insert(0, news.submitted(tenant, workflow, submission, head["created_at"], trace))
    await connection.execute(END, [workflow], "cancelled", news.plain(reason), now)
    return await _told(connection, tenant, workflow, told, now)


async def resume(connection: Connection, tenant: str, workflow: str, deadline_s: float) -> Controlled | None:
    """Within a transaction: let a failed workflow go on."""
    head = await connection.fetchrow(LOCK, tenant, workflow)
    if head is None:
        return None
    rows, now = await _rows(connection, workflow)
    opener = standing.resumed(rows, now) if head["state"] == "failed" else None
    if opener is None:
        return Controlled(workflow=workflow_of(head), done=False)
    key = (workflow, opener.stage, opener.revision)
    await connection.execute(REOPEN, *key, opener.opens, opener.target, now)
    await connection.execute(GO_ON, workflow, now, timedelta(seconds=deadline_s), opener.opens)
    await letters.overtaken(connection, tenant, workflow)
    event = news.resumed(tenant, workflow, opener, now, head["traceparent"])
    return await _told(connection, tenant, workflow, [event], now)


async def _rows(connection: Connection, workflow: str) -> tuple[list[Row], datetime]:
    """The workflow's rows and the time, now that it is locked."""
    rows = [row_of(record) for record in await connection.fetch(ROWS, workflow)]
    return rows, await connection.fetchval("SELECT clock_timestamp()")


async def _told(
    connection: Connection, tenant: str, workflow: str, told: Sequence[StoredEvent], now: datetime
) -> Controlled:
    await connection.execute(EVENTS, *event_arrays(told, news.moments(now, len(told))))
    (record,) = await connection.fetch(WORKFLOW, tenant, workflow)
    return Controlled(workflow=workflow_of(record), done=True, events=tuple(told))
