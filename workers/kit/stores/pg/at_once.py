"""Claims and commits of one statement, where all that may stand in their way is in the rows that it locks and writes.

A claim of a row that nobody has begun depends on the workflow's state and newest revision, since a completed input
stays what it is, or is found lost when it is read; the commit of a completed stage on these two and on its own row.
What a lock was waited for is judged as it is then. For all else there is the longer way, in `claims` and `commits`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from contracts.topology import Topology
from workers.kit.stores import news, standing
from workers.kit.stores.drops import Claim, Committed, Completed, NoClaim, StoredEvent
from workers.kit.stores.handover import Heir, inherited
from workers.kit.stores.standing import Row

from .claims import Asked, Head, look
from .commits import Done
from .pool import Connection
from .rows import COLUMNS, OPENERS, UNHURRIED, columns, few, inputs_column, row_of

# A head is told in the columns of a drop, so that one answer holds both.
LOOK = f"""
    SELECT {COLUMNS} FROM {few("$1::text[]", "$2::text[]")} AS asked (workflow_id, stage, unit)
    JOIN drops d ON d.workflow_id = asked.workflow_id AND d.stage = asked.stage AND d.unit = asked.unit
    UNION ALL
    {OPENERS.format("$3")}
    UNION ALL
    SELECT w.id, NULL, NULL, w.state, NULL, NULL, w.created_at, clock_timestamp(), NULL, NULL, w.prompt, NULL, NULL,
        w.language, w.traceparent, NULL, w.tenant, NULL, w.forked, NULL, NULL
    FROM workflows w WHERE w.id = ANY($3)
"""  # noqa: S608  # constants only
# In both statements the states are hidden from the planner, which would look among all that are active or running.
# Nobody waits for the disk: a claim lost in a power cut is made again, and whatever its first holder commits is what
# the second would, for both were made from the same rows.
_TAKEN = few(
    "$1::text[]",
    "$2::text[]",
    "$3::text[]",
    "$4::integer[]",
    "$5::integer[]",
    "$6::timestamptz[]",
    "$7::jsonb[]",
    limit=UNHURRIED,
)
TAKE = f"""
    WITH locked AS MATERIALIZED (
        SELECT t.* FROM {_TAKEN} AS t (workflow_id, tenant, stage, revision, newest, lease_until, inputs, unit)
        JOIN workflows w ON w.id = t.workflow_id
        WHERE w.tenant = t.tenant AND w.state || '' = 'active' AND w.newest = t.newest
        ORDER BY w.id FOR NO KEY UPDATE OF w
    )
    INSERT INTO drops (
        workflow_id, tenant, stage, revision, unit, state, epoch, attempts, lease_until, inputs, created_at, updated_at
    )
    SELECT workflow_id, tenant, stage, revision, unit, 'running', 1, 1, lease_until, inputs, $8, $8 FROM locked
    ON CONFLICT DO NOTHING RETURNING workflow_id
"""  # noqa: S608  # constants only
_DONE = few(
    "$1::text[]",
    "$2::text[]",
    "$3::text[]",
    "$4::integer[]",
    "$5::integer[]",
    "$6::integer[]",
    "$7::text[]",
    "$8::bigint[]",
    "$9::bigint[]",
    "$10::text[]",
    "$11::text[]",
    "$12::text[]",
    "$13::text[]",
    "$14::bytea[]",
    "$15::jsonb[]",
    "$16::bytea[]",
)
DONE = f"""
    WITH locked AS MATERIALIZED (
        SELECT c.* FROM {_DONE} AS c (
            workflow_id, tenant, stage, revision, epoch, newest, artifact_key, artifact_offset, artifact_length,
            artifact_sha256, media_type, event, subject, body, heirs, memo_key, unit
        )
        JOIN workflows w ON w.id = c.workflow_id
        WHERE w.tenant = c.tenant AND w.state || '' = 'active' AND w.newest = c.newest
        ORDER BY w.id FOR NO KEY UPDATE OF w
    ), changed AS (
        UPDATE drops d SET
            state = 'completed', updated_at = clock_timestamp(), lease_until = NULL, retry_at = NULL,
            artifact_key = c.artifact_key, artifact_offset = c.artifact_offset, artifact_length = c.artifact_length,
            artifact_sha256 = c.artifact_sha256, media_type = c.media_type, memo_key = c.memo_key, error = ''
        FROM locked c
        WHERE d.workflow_id = c.workflow_id AND d.stage = c.stage AND d.revision = c.revision AND d.unit = c.unit
            AND d.epoch = c.epoch AND d.state || '' = 'running' AND d.artifact_sha256 IS NULL
        RETURNING c.*, d.updated_at AS done_at
    ), told AS (
        INSERT INTO events (workflow_id, id, tenant, stage, subject, body, created_at)
        SELECT workflow_id, event, tenant, stage, subject, body, clock_timestamp() FROM changed
    ), handed AS (
        INSERT INTO drops (
            workflow_id, tenant, stage, revision, unit, state, epoch, attempts, lease_until, inputs, created_at,
            updated_at
        )
        SELECT
            c.workflow_id, c.tenant, h.stage, c.revision, '', 'running', 1, 1,
            clock_timestamp() + h.lease_s * interval '1 second', h.inputs, c.done_at, c.done_at
        FROM changed c, jsonb_to_recordset(c.heirs) AS h (stage text, lease_s float, inputs jsonb)
        ON CONFLICT DO NOTHING RETURNING workflow_id, stage
    )
    SELECT workflow_id, NULL FROM changed UNION ALL SELECT workflow_id, stage FROM handed
"""  # noqa: S608  # constants only


class Clock(NamedTuple):
    """The database's time at a moment of this process's monotonic clock."""

    then: datetime
    mark: float

    def now(self) -> datetime:
        """The database's time, as far as can be told without asking."""
        return self.then + timedelta(seconds=time.monotonic() - self.mark)


async def claim(
    connection: Connection, topology: Topology, batch: Sequence[Asked]
) -> tuple[list[Claim | NoClaim | None], Clock | None]:
    """An answer for each, None where the longer way must find one; and the time, where a workflow was found.

    A workflow stands in the batch once.
    """
    pairs = [
        (asked.workflow, name) for asked in batch for name in {asked.stage, *topology[asked.stage].needs, *asked.takes}
    ]
    records = await connection.fetch(LOOK, *columns(pairs), [asked.workflow for asked in batch])
    mark = time.monotonic()
    rows: defaultdict[str, dict[tuple[str, int], Row]] = defaultdict(dict)
    heads: dict[str, Head] = {}
    now: datetime | None = None
    for record in records:
        if record[1] is None:
            now = record[7]
            heads[record[0]] = Head(record[16], record[3], record[10], record[13], record[14], record[6], record[18])
        else:
            row = row_of(record)
            rows[record[0]][row.stage, row.revision] = row
    if now is None:
        return [NoClaim(reason="unknown")] * len(batch), None
    answers = [_look(topology, a, heads.get(a.workflow), [*rows[a.workflow].values()], now) for a in batch]
    wanted = sorted(
        _taken(a, now + timedelta(seconds=asked.lease_s))
        for asked, a in zip(batch, answers, strict=True)
        if isinstance(a, Claim)
    )
    won = {record[0] for record in await connection.fetch(TAKE, *columns(wanted), now)} if wanted else set()
    return [None if isinstance(a, Claim) and a.workflow not in won else a for a in answers], Clock(now, mark)


def _look(
    topology: Topology, asked: Asked, head: Head | None, rows: Sequence[Row], now: datetime
) -> Claim | NoClaim | None:
    found, error = look(topology, asked, head, rows, now)
    begun = isinstance(found, Claim) and found.epoch > 1
    return None if error or begun else found


def _taken(claim: Claim, lease_until: datetime) -> tuple[object, ...]:
    inputs = inputs_column(news.inputs_of(claim))
    return (claim.workflow, claim.tenant, claim.stage, claim.revision, claim.newest, lease_until, inputs)


async def commit(
    connection: Connection, topology: Topology, batch: Sequence[Done], now: datetime
) -> list[Committed | None]:
    """An answer for each, None where the longer way must find one. A workflow stands in the batch once."""
    told: dict[str, tuple[StoredEvent, ...]] = {}
    heirs: dict[tuple[str, str], Claim] = {}
    wanted: list[tuple[object, ...]] = []
    for claim, outcome, _, asked in batch:
        change = standing.at_once(topology, claim, outcome)
        if change is None or not isinstance(outcome, Completed):
            continue
        told[claim.workflow] = news.told(claim, change, outcome, claim.newest, now)
        next_ones = [(found, heir) for heir in asked if (found := inherited(topology, claim, outcome, heir))]
        heirs |= {(claim.workflow, found.stage): found for found, _ in next_ones}
        handed = msgspec.json.encode([_handed(*each) for each in next_ones]).decode()
        memo = bytes.fromhex(outcome.memo) or None
        wanted += [(*_done(claim, outcome, event), handed, memo) for event in told[claim.workflow]]
    done: defaultdict[str, list[Claim]] = defaultdict(list)
    for workflow, stage in await connection.fetch(DONE, *columns(sorted(wanted))) if wanted else ():
        done[workflow] += [heirs[workflow, stage]] if stage else []
    return [
        Committed(state="completed", events=told[claim.workflow], handed=tuple(done[claim.workflow]))
        if claim.workflow in done
        else None
        for claim, *_ in batch
    ]


def _done(claim: Claim, outcome: Completed, event: StoredEvent) -> tuple[object, ...]:
    ref = outcome.artifact
    return (
        *(claim.workflow, claim.tenant, claim.stage, claim.revision, claim.epoch, claim.newest),
        *(ref.key, ref.offset, ref.length, ref.sha256, outcome.media_type),
        *(event.id, event.subject, event.body),
    )


def _handed(claim: Claim, heir: Heir) -> dict[str, object]:
    return {"stage": claim.stage, "lease_s": heir.lease_s, "inputs": news.inputs_of(claim)}
