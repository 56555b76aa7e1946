"""Claims: taking due rows, many in one transaction; keeping them; handing them back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from contracts.artifacts import Submission
from contracts.topology import Topology
from workers.kit.stores import standing
from workers.kit.stores.drops import Claim, Failed, LetterWriter, NoClaim, WorkflowState
from workers.kit.stores.news import inputs_of
from workers.kit.stores.standing import Row

from .commits import Settled, buried, write
from .pool import Connection
from .rows import COLUMNS, NOW, OPENERS, UNHURRIED, columns, few, inputs_column, rows_of

# The lock is a statement of its own: one that also read the drops would read them as they were before it waited.
LOCK = """
    SELECT id, tenant, state, prompt, language, traceparent, created_at, forked
    FROM workflows WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""
# Pairs of a workflow and a stage whose rows are asked for, and the workflows, for their openings.
ROWS = f"""
    SELECT {COLUMNS} FROM {few("$1::text[]", "$2::text[]")} AS asked (workflow_id, stage, unit)
    JOIN drops d ON d.workflow_id = asked.workflow_id AND d.stage = asked.stage AND d.unit = asked.unit
    UNION ALL
    {OPENERS.format("$3")}
    UNION ALL
    {NOW}
"""  # noqa: S608  # constants only
# Nobody waits for the disk, unless rows are given up in the same batch: a claim lost in a power cut is made again, and
# whatever its first holder commits is what the second would, for both were made from the same rows.
_TAKEN = few(
    "$1::text[]",
    "$2::text[]",
    "$3::text[]",
    "$4::integer[]",
    "$5::integer[]",
    "$6::integer[]",
    "$7::timestamptz[]",
    "$8::jsonb[]",
    limit=UNHURRIED,
)
TAKE = f"""
    INSERT INTO drops AS d (
        workflow_id, tenant, stage, revision, epoch, attempts, lease_until, inputs, unit, state, created_at, updated_at
    )
    SELECT t.*, 'running', $9, $9 FROM {_TAKEN} AS t
    ON CONFLICT (workflow_id, stage, revision, unit) DO UPDATE SET
        state = excluded.state, epoch = excluded.epoch, attempts = excluded.attempts,
        lease_until = excluded.lease_until, retry_at = NULL, inputs = excluded.inputs, updated_at = excluded.updated_at
"""  # noqa: S608  # constants only
HURRIED = "SET LOCAL synchronous_commit = on"
# Locks no workflow, for it writes no more than the lease. The state is hidden from the planner, which would look for
# the rows among all that are open.
_MINE = """
    d.workflow_id = mine.workflow_id AND d.stage = mine.stage AND d.revision = mine.revision AND d.unit = mine.unit
    AND d.epoch = mine.epoch AND d.state || '' = 'running'
"""
_CLAIM = ("$1::text[]", "$2::text[]", "$3::integer[]", "$4::integer[]", "$5::text[]")
_NAMES = "workflow_id, stage, revision, epoch, reach"
_DUE = """
    coalesce((
        SELECT max(o.opens) FROM drops o
        WHERE o.workflow_id = mine.workflow_id AND o.opens IS NOT NULL
            AND o.target = ANY(string_to_array(mine.reach, ' '))
    ), 1)
"""
RENEW = f"""
    UPDATE drops d SET lease_until = clock_timestamp() + mine.lease
    FROM {few(*_CLAIM, "$6::interval[]")} AS mine ({_NAMES}, lease, unit)
    WHERE {_MINE} AND (d.artifact_sha256 IS NOT NULL OR d.revision = {_DUE})
    RETURNING d.workflow_id, d.stage, d.revision
"""  # noqa: S608  # constants only
SUPERSEDE = f"""
    UPDATE drops d SET state = 'superseded', lease_until = NULL, updated_at = clock_timestamp()
    FROM {few(*_CLAIM)} AS mine ({_NAMES}, unit)
    WHERE {_MINE} AND d.artifact_sha256 IS NULL AND d.revision < {_DUE}
"""  # noqa: S608  # constants only
RELEASE = """
    UPDATE drops d
    SET state = 'retry', attempts = d.attempts - 1, lease_until = NULL,
        retry_at = clock_timestamp() + $5::interval, updated_at = clock_timestamp()
    WHERE d.workflow_id = $1 AND d.stage = $2 AND d.revision = $3 AND d.unit = '' AND d.epoch = $4
        AND d.state = 'running'
"""
# What came with the commit began at the very moment of the commit; what another process claimed after it, later.
DISOWN = """
    UPDATE drops d
    SET state = 'retry', attempts = 0, lease_until = NULL, retry_at = clock_timestamp(), updated_at = clock_timestamp()
    FROM drops mine
    WHERE mine.workflow_id = $1 AND mine.stage = $2 AND mine.revision = $3 AND mine.unit = '' AND mine.epoch = $4
        AND mine.state = 'completed' AND d.workflow_id = mine.workflow_id AND d.stage = ANY($5) AND d.revision = $3
        AND d.unit = '' AND d.epoch = 1 AND d.state = 'running' AND d.created_at = mine.updated_at
"""


class Head(NamedTuple):
    """What a claim needs of the workflow itself."""

    tenant: str
    state: WorkflowState
    prompt: str
    language: str
    traceparent: str
    created_at: datetime
    forked: str


class Asked(NamedTuple):
    """One call of `Drops.claim`."""

    stage: str
    tenant: str
    workflow: str
    lease_s: float
    attempts: int
    takes: Collection[str]
    letter: LetterWriter | None


async def claim(
    connection: Connection, topology: Topology, batch: Sequence[Asked]
) -> Sequence[Claim | NoClaim | Exception]:
    """Within a transaction: lock, look, take. A workflow stands in the batch once."""
    found = await connection.fetch(LOCK, [asked.workflow for asked in batch])
    heads = {record[0]: Head(*record[1:]) for record in found}
    known = [asked for asked in batch if _active(asked, heads.get(asked.workflow))]
    rows, now = await _rows(connection, topology, known)
    answers: list[Claim | NoClaim | Exception] = []
    taken: list[tuple[Claim, float]] = []
    spent: list[tuple[int, Settled]] = []
    for place, asked in enumerate(batch):
        answer, error = look(topology, asked, heads.get(asked.workflow), rows[asked.workflow], now)
        answers.append(answer)
        if isinstance(answer, Claim) and not error:
            taken.append((answer, asked.lease_s))
        elif isinstance(answer, Claim):
            change = standing.given_up(standing.row_of(answer, rows[asked.workflow]), error)
            newest = standing.newest(rows[asked.workflow])
            spent.append((place, Settled(standing.spent(answer), change, Failed(error=error), newest)))
    if taken:
        await _take(connection, taken, now)
    if spent:
        await connection.execute(HURRIED)
        told = await write(connection, [settled for _, settled in spent], now)
        for (place, settled), events in zip(spent, told, strict=True):
            letter = await buried(connection, settled, batch[place].letter)
            answers[place] = NoClaim(reason="exhausted", error=settled.change.error, events=events, letter=letter)
    return answers


def _active(asked: Asked, head: Head | None) -> bool:
    return head is not None and head.tenant == asked.tenant and head.state == "active"


async def _rows(
    connection: Connection, topology: Topology, batch: Sequence[Asked]
) -> tuple[defaultdict[str, list[Row]], datetime]:
    """By workflow, the rows that `standing.look` asks for; and the time, now that the workflows are locked."""
    pairs = [
        (asked.workflow, name) for asked in batch for name in {asked.stage, *topology[asked.stage].needs, *asked.takes}
    ]
    names = [name for _, name in pairs]
    records = await connection.fetch(ROWS, [workflow for workflow, _ in pairs], names, [a.workflow for a in batch])
    return rows_of(records)


def look(
    topology: Topology, asked: Asked, head: Head | None, rows: Sequence[Row], now: datetime
) -> tuple[Claim | NoClaim, str]:
    """The claim, with the reason to give the row up instead if there is one; or why there is none."""
    if head is None or head.tenant != asked.tenant:
        return NoClaim(reason="unknown"), ""
    found = standing.look(topology, asked.stage, head.state, head.created_at, rows, now, asked.takes)
    if isinstance(found, NoClaim):
        return found, ""
    claim = standing.claim_of(
        found,
        tenant=asked.tenant,
        workflow=asked.workflow,
        stage=asked.stage,
        submission=Submission(prompt=head.prompt, language=head.language),
        traceparent=head.traceparent,
        newest=standing.newest(rows),
        forked=head.forked,
    )
    return claim, standing.exhausted(found, asked.attempts)


async def _take(connection: Connection, taken: Sequence[tuple[Claim, float]], now: datetime) -> None:
    rows = [
        (
            claim.workflow,
            claim.tenant,
            claim.stage,
            claim.revision,
            claim.epoch,
            claim.attempt,
            now + timedelta(seconds=lease_s),
            inputs_column(inputs_of(claim)),
        )
        for claim, lease_s in taken
    ]
    await connection.execute(TAKE, *columns(rows), now)


async def renew(connection: Connection, topology: Topology, batch: Sequence[tuple[Claim, float]]) -> Sequence[bool]:
    """Prolong the leases of the claims that still stand; supersede the rows whose stage is due elsewhere."""
    claims = [mine for mine, _ in batch]
    # In one order, as commits and ends have it.
    ordered = sorted(batch, key=lambda entry: (entry[0].workflow, entry[0].stage, entry[0].revision))
    leases = [timedelta(seconds=lease_s) for _, lease_s in ordered]
    rows = _mine(topology, (mine for mine, _ in ordered))
    kept = {tuple(record) for record in await connection.fetch(RENEW, *rows, leases)}
    renewed = [(mine.workflow, mine.stage, mine.revision) in kept for mine in claims]
    if lost := [mine for mine, still in zip(claims, renewed, strict=True) if not still]:
        await connection.execute(SUPERSEDE, *_mine(topology, lost))
    return renewed


def _mine(topology: Topology, batch: Iterable[Claim]) -> tuple[list[object], ...]:
    return columns(
        (c.workflow, c.stage, c.revision, c.epoch, " ".join((*topology.ancestors(c.stage), c.stage))) for c in batch
    )


async def release(connection: Connection, mine: Claim, after_s: float) -> None:
    """Hand the row back, as if this attempt had not been."""
    key = (mine.workflow, mine.stage, mine.revision, mine.epoch)
    await connection.execute(RELEASE, *key, timedelta(seconds=after_s))


async def disown(connection: Connection, mine: Claim, stages: Sequence[str]) -> None:
    """Hand back what was claimed with the commit of this claim."""
    await connection.execute(DISOWN, mine.workflow, mine.stage, mine.revision, mine.epoch, list(stages))
