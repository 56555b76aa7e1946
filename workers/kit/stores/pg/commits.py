"""Commits: an outcome, its events and, at the end, the workflow, many in one transaction; and deadlines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from contracts.artifacts import Submission
from contracts.topology import Topology
from workers.kit.stores import news, standing
from workers.kit.stores.drops import (
    Claim,
    Committed,
    Completed,
    DeadLetter,
    Failed,
    LetterWriter,
    Outcome,
    Retry,
    StoredEvent,
)
from workers.kit.stores.handover import Heir
from workers.kit.stores.standing import Change

from .letters import bury
from .pool import Connection
from .rows import COLUMNS, NOW, OPENERS, columns, event_arrays, few, rows_of

LOCK = "SELECT id, tenant, state FROM workflows WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"
ROWS = f"""
    SELECT {COLUMNS}
    FROM {few("$1::text[]", "$2::text[]", "$3::integer[]")} AS m (workflow_id, stage, revision, unit)
    JOIN drops d
        ON d.workflow_id = m.workflow_id AND d.stage = m.stage AND d.revision = m.revision AND d.unit = m.unit
    UNION ALL
    {OPENERS.format("$1")}
    UNION ALL
    {NOW}
"""  # noqa: S608  # constants only
# Says the same as `standing.retried`.
RETRIED = """
    SELECT d.workflow_id, sum(greatest(d.attempts - 1, 0))::integer FROM drops d
    WHERE d.workflow_id = ANY($1) AND d.revision >= coalesce((
        SELECT max(o.opens) FROM drops o
        WHERE o.workflow_id = d.workflow_id AND o.opens IS NOT NULL AND o.state = 'failed'
    ), 1)
    GROUP BY d.workflow_id
"""
EVENTS = """
    INSERT INTO events (workflow_id, id, tenant, stage, subject, body, created_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::timestamptz[])
"""
_CHANGED = [
    f"${place}::{kind}[]"
    for place, kind in enumerate(
        (
            *("text", "text", "integer", "text", "timestamptz", "text", "bigint", "bigint", "text", "text", "integer"),
            *("text", "boolean", "text", "bytea", "integer"),
        ),
        start=8,
    )
]
WRITE = f"""
    WITH changed AS (
        UPDATE drops d SET
            state = c.state, updated_at = $24, lease_until = NULL, retry_at = c.retry_at,
            artifact_key = c.artifact_key, artifact_offset = c.artifact_offset, artifact_length = c.artifact_length,
            artifact_sha256 = c.artifact_sha256, media_type = c.media_type, opens = c.opens, target = c.target,
            unmet = c.unmet, error = c.error, memo_key = c.memo_key, memo_of = coalesce(c.memo_of, d.memo_of)
        FROM {few(*_CHANGED)} AS c (
            workflow_id, stage, revision, state, retry_at, artifact_key, artifact_offset, artifact_length,
            artifact_sha256, media_type, opens, target, unmet, error, memo_key, memo_of, unit
        )
        WHERE d.workflow_id = c.workflow_id AND d.stage = c.stage AND d.revision = c.revision AND d.unit = c.unit
    )
    {EVENTS}
"""  # noqa: S608  # constants only
OPENED = f"""
    UPDATE workflows w SET newest = greatest(w.newest, o.newest)
    FROM {few("$1::text[]", "$2::integer[]")} AS o (workflow_id, newest, unit) WHERE w.id = o.workflow_id
"""  # noqa: S608  # constants only
# What is being made again stands as before, as `standing.closed` says; who ends waits no more to be admitted.
END = """
    WITH ended AS (
        UPDATE workflows SET state = $2, error = $3, ended_at = $4, admitted_at = coalesce(admitted_at, $4)
        WHERE id = ANY($1)
    )
    UPDATE drops SET
        state = CASE
            WHEN artifact_sha256 IS NULL THEN 'closed' WHEN opens IS NULL THEN 'completed' ELSE 'rejected'
        END,
        lease_until = NULL, retry_at = NULL, updated_at = $4
    WHERE workflow_id = ANY($1) AND state IN ('running', 'retry')
"""
OVERDUE = """
    SELECT id, tenant, prompt, language, deadline, traceparent, created_at, admitted_at, newest,
        clock_timestamp() AS now
    FROM workflows WHERE state = 'active' AND deadline <= now() ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
"""


class Done(NamedTuple):
    """One call of `Drops.commit`."""

    claim: Claim
    outcome: Outcome
    letter: LetterWriter | None
    heirs: Sequence[Heir] = ()


class Settled(NamedTuple):
    """An outcome that counts: what it does to the claim's row, where the workflow's newest revision is `newest`."""

    claim: Claim
    change: Change
    outcome: Outcome
    newest: int


async def commit(connection: Connection, topology: Topology, batch: Sequence[Done]) -> Sequence[Committed | Exception]:
    """Within a transaction: lock, look, write. A workflow stands in the batch once. Nothing is handed over here."""
    heads = {head["id"]: head for head in await connection.fetch(LOCK, [done.claim.workflow for done in batch])}
    mine = columns((done.claim.workflow, done.claim.stage, done.claim.revision) for done in batch)
    rows, now = rows_of(await connection.fetch(ROWS, *mine))
    again = [done.claim.workflow for done in batch if isinstance(done.outcome, Retry)]
    retried = dict(map(tuple, await connection.fetch(RETRIED, again))) if again else {}
    answers: list[Committed | Exception] = [Committed(state="lost")] * len(batch)
    settled: list[Settled] = []
    places: list[int] = []
    for place, (claim, outcome, *_) in enumerate(batch):
        head, found = heads.get(claim.workflow), rows[claim.workflow]
        if head is None or head["tenant"] != claim.tenant:
            continue
        try:
            retries = retried.get(claim.workflow, 0)
            change = standing.settle(topology, claim, head["state"], found, outcome, retries)
        except ValueError as error:
            answers[place] = error
            continue
        if change is not None:
            settled.append(Settled(claim, change, outcome, standing.newest(found)))
            places.append(place)
    if settled:
        told = await write(connection, settled, now)
        for place, one, events in zip(places, settled, told, strict=True):
            letter = await buried(connection, one, batch[place].letter)
            answers[place] = Committed(state=one.change.state, events=events, letter=letter)
    return answers


async def buried(connection: Connection, one: Settled, write: LetterWriter | None) -> DeadLetter | None:
    """The letter, kept, of a row that failed for good; a refusal is no dead letter but an answer."""
    refused = isinstance(one.outcome, Failed) and one.outcome.refused
    if write is None or one.change.state != "failed" or refused:
        return None
    letter = write(one.change.error, one.claim.drop)
    await bury(connection, letter)
    return letter


async def write(connection: Connection, batch: Sequence[Settled], now: datetime) -> Sequence[tuple[StoredEvent, ...]]:
    """The rows, their events, and the end of the workflows whose change brings it."""
    told = [news.told(one.claim, one.change, one.outcome, one.newest, now) for one in batch]
    events = [event for events in told for event in events]
    times = [time for events in told for time in news.moments(now, len(events))]
    await connection.execute(WRITE, *event_arrays(events, times), *columns(_written(one, now) for one in batch), now)
    ends: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in batch:
        if one.change.ends is not None:
            ends[one.change.ends, news.plain(one.change.error)].append(one.claim.workflow)
    opened = [(one.claim.workflow, one.change.opens) for one in batch if one.change.opens]
    if opened:
        await connection.execute(OPENED, *columns(opened))
    for (state, error), workflows in ends.items():
        await connection.execute(END, workflows, state, error, now)
    return told


def _written(one: Settled, now: datetime) -> tuple[object, ...]:
    """A row of `WRITE`."""
    claim, change, outcome, _ = one
    kept = standing.kept(change, outcome)
    ref = kept.artifact if kept else None
    return (
        claim.workflow,
        claim.stage,
        claim.revision,
        change.state,
        now + timedelta(seconds=outcome.after_s) if isinstance(outcome, Retry) and change.state != "failed" else None,
        *((ref.key, ref.offset, ref.length, ref.sha256) if ref else (None,) * 4),
        kept.media_type if kept else "",
        change.opens or None,
        change.target or None,
        change.unmet,
        news.plain(change.error),
        _memo(change, kept),
        (outcome.memo_of if isinstance(outcome, Completed) else 0) or None,
    )


def _memo(change: Change, kept: Outcome | None) -> bytes | None:
    """What others may find the drop by: only a completed one, and none whose findings stand."""
    if not isinstance(kept, Completed) or change.state != "completed" or change.unmet:
        return None
    return bytes.fromhex(kept.memo) or None


async def expire(connection: Connection, limit: int) -> Sequence[StoredEvent]:
    """Within a transaction: end the workflows that are overdue."""
    overdue = await connection.fetch(OVERDUE, limit)
    if not overdue:
        return ()
    ids = [record["id"] for record in overdue]
    told = [_expired(record) for record in overdue]
    events, now = [event for events in told for event in events], overdue[0]["now"]
    await connection.execute(END, ids, "expired", news.EXPIRED, now)
    await connection.execute(EVENTS, *event_arrays(events, news.moments(now, len(events))))
    return events


def _expired(record: asyncpg.Record) -> Sequence[StoredEvent]:
    """The end, and before it the beginning of a workflow that was never admitted."""
    tenant, workflow, trace = record["tenant"], record["id"], record["traceparent"]
    end = news.expired(tenant, workflow, record["deadline"], record["newest"], record["now"], trace)
    if record["admitted_at"] is not None:
        return (end,)
    submission = Submission(prompt=record["prompt"], language=record["language"])
    return news.submitted(tenant, workflow, submission, record["created_at"], trace), end
