"""What may be done with a workflow, decided from its rows alone: pure functions that every adapter asks.

A row is one drop. Nothing here reads a clock or a store; `now` is the store's time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from contracts.artifacts import Submission
from contracts.events import Input, Ref
from contracts.topology import Opening, Topology

from .drops import Claim, Completed, DropState, Failed, InputDrop, NoClaim, Outcome, Rejected, Retry, WorkflowState
from .shown import drop_id as drop_id

OPEN: frozenset[DropState] = frozenset({"running", "retry"})
RETRIES = 20
"""Attempts after the first that all rows of a workflow may have together, since its start or its last resumption: one
that needs more is sick, however patient each of its stages is."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One drop as the decisions need it. `opens` is 0 where the row opened no revision.

    An open row that has an artifact is being made again (`again`), because the artifact's bytes are lost: it keeps
    what it told the bus (its sha256, what it opened, what is unmet), and stands as before once the same bytes are
    back. Until then nobody can take it as an input. It may be claimed at whatever revision it has, due or not.
    `copied_of`: the revision at which a fork took the drop over; 0 where somebody wrote it, None if it was made here.
    `memo_of`: the revision at which the work was done that the memo knew; 0 where it is the row's own.
    """

    stage: str
    revision: int
    state: DropState
    epoch: int
    attempts: int
    created_at: datetime
    updated_at: datetime
    lease_until: datetime | None = None
    retry_at: datetime | None = None
    artifact: Ref | None = None
    media_type: str = ""
    inputs: tuple[Input, ...] = ()
    opens: int = 0
    target: str = ""
    unmet: bool = False
    error: str = ""
    copied_of: int | None = None
    memo_of: int = 0

    @property
    def again(self) -> bool:
        """Its artifact was lost and is being made again."""
        return self.artifact is not None and self.state in OPEN

    @property
    def stands(self) -> DropState:
        """Its state; of a row that is made again the one that it had, and will have."""
        if not self.again:
            return self.state
        return "rejected" if self.opens else "completed"

    def as_input(self) -> InputDrop:
        """This drop, as another one names it among its inputs."""
        if self.artifact is None:
            raise ValueError(f"{self.stage} {self.revision} has no artifact")
        told = Input(stage=self.stage, revision=self.revision, sha256=self.artifact.sha256, unmet=self.unmet)
        return InputDrop(input=told, ref=self.artifact, media_type=self.media_type)


class Runnable(msgspec.Struct, frozen=True, kw_only=True):
    """A row that may be claimed: `row` as it is now (None: absent), from these drops; runnable `since` then.

    `hopeless`: why it can't be done all the same. Only a row that is made again is ever without an input for good.
    """

    revision: int
    row: Row | None
    inputs: Mapping[str, Row]
    repair: Mapping[str, Row]
    since: datetime
    hopeless: str = ""

    @property
    def absent(self) -> bool:
        """Nobody has begun it, or it was closed with its workflow: the claim begins it anew."""
        return self.row is None or self.row.state == "closed"

    @property
    def attempts(self) -> int:
        """How many attempts it has had."""
        return 0 if self.row is None or self.absent else self.row.attempts

    @property
    def epoch(self) -> int:
        """The newest epoch given away."""
        return 0 if self.row is None else self.row.epoch


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What an outcome does to its row, and to the workflow (`ends`: the state it ends in).

    `again`: the row as it is, where it was made again and did not fail: no event tells of it a second time, and its
    artifact stays where the outcome brings none.
    """

    state: DropState
    opens: int = 0
    target: str = ""
    unmet: bool = False
    error: str = ""
    ends: WorkflowState | None = None
    again: Row | None = None


def openings(rows: Iterable[Row]) -> tuple[Opening, ...]:
    """Every revision opened so far."""
    return tuple(Opening(row.opens, row.target) for row in rows if row.opens)


def newest(rows: Iterable[Row]) -> int:
    """The newest revision of the workflow, 1 if none was opened."""
    return max((row.opens for row in rows), default=0) or 1


def due(topology: Topology, stage: str, rows: Iterable[Row]) -> int:
    """The revision at which `stage` is due."""
    return topology.due(stage, openings(rows))


def rounds_left(topology: Topology, stage: str, rows: Iterable[Row]) -> int:
    """How often this stage may still send work back."""
    return topology[stage].rounds - sum(row.stage == stage and row.stands == "rejected" for row in rows)


def look(
    topology: Topology,
    stage: str,
    state: WorkflowState,
    begun: datetime,
    rows: Sequence[Row],
    now: datetime,
    takes: Collection[str] = (),
) -> Runnable | NoClaim:
    """Whether the stage can claim a row of a workflow in `state` that began at `begun`, else why not.

    That is a row of its that is made again, else its due row. Its inputs are its needs and those ancestors that it
    `takes`. Of the workflow's rows it asks for all those of the stage and of its inputs, and for every row that opened
    a revision.
    """
    if state != "active":
        return NoClaim(reason="ended")
    again = sorted(row.revision for row in rows if row.stage == stage and row.again)
    revisions = dict.fromkeys((*again, due(topology, stage, rows)))
    found = [_look_at(topology, stage, revision, begun, rows, now, takes) for revision in revisions]
    return next((each for each in found if isinstance(each, Runnable)), found[0])


def _look_at(
    topology: Topology,
    stage: str,
    revision: int,
    begun: datetime,
    rows: Sequence[Row],
    now: datetime,
    takes: Collection[str],
) -> Runnable | NoClaim:
    by_name = {(row.stage, row.revision): row for row in rows}
    row = by_name.get((stage, revision))
    refused = None if row is None else _refused(row, now)
    if refused is not None:
        return refused
    wanted = inputs_at(topology, stage, revision, openings(rows), takes)
    inputs = {name: by_name[name, wanted[name]] for name in topology.stages if (name, wanted.get(name)) in by_name}
    repair = _repair(stage, revision, rows)
    missing = [name for name in wanted if name not in inputs or inputs[name].state != "completed"]
    missing += [name for name, found in repair.items() if found.again]
    gone = [name for name in missing if name in wanted and not (name in inputs and inputs[name].again)]
    hopeless = _hopeless(row, gone) if row and row.again else ""
    if missing and not hopeless:
        return NoClaim(reason="inputs missing")
    causes = [found.updated_at for found in inputs.values()]
    causes += [opener.updated_at for opener in rows if opener.opens == revision]
    return Runnable(
        revision=revision,
        row=row,
        inputs={name: found for name, found in inputs.items() if found.artifact is not None},
        repair=repair,
        since=max(causes, default=begun),
        hopeless=hopeless,
    )


def _hopeless(row: Row, gone: Sequence[str]) -> str:
    """Why a lost artifact can't be made again. To do a repair's work once more elsewhere is to pay for other bytes."""
    if row.copied_of == 0:
        return "can't be made again: somebody wrote it"
    if row.copied_of and row.copied_of > 1:
        return f"can't be made again: it was taken over from revision {row.copied_of} of another workflow"
    return f"can't be made again, for want of {', '.join(sorted(gone))}" if gone else ""


def inputs_at(
    topology: Topology, stage: str, revision: int, opened: Sequence[Opening], takes: Collection[str]
) -> dict[str, int]:
    """The revision of each input that row (stage, revision) is made from."""
    needs = topology[stage].needs
    names = [name for name in topology.ancestors(stage) if name in needs or name in takes]
    return {name: topology.due(name, opened, revision) for name in names}


def _refused(row: Row, now: datetime) -> NoClaim | None:
    match row.state:
        case "running":
            expired = row.lease_until is None or row.lease_until <= now
            return None if expired else NoClaim(reason="leased")
        case "retry":
            passed = row.retry_at is None or row.retry_at <= now
            return None if passed else NoClaim(reason="waiting", error=row.error)
        case "closed":
            return None
        case _:
            return NoClaim(reason="done")


def _repair(stage: str, revision: int, rows: Sequence[Row]) -> dict[str, Row]:
    """The report that sent the work back to this very stage, and what the stage had made before it."""
    opener = next((row for row in rows if row.opens == revision and row.target == stage), None)
    if opener is None or opener.stands != "rejected":
        return {}
    before = [row for row in rows if row.stage == stage and row.revision < revision and row.stands == "completed"]
    previous = max(before, key=lambda row: row.revision, default=None)
    return {opener.stage: opener} | ({stage: previous} if previous else {})


def claim_of(
    found: Runnable,
    *,
    tenant: str,
    workflow: str,
    stage: str,
    submission: Submission,
    traceparent: str,
    newest: int,
    forked: str = "",
) -> Claim:
    """The claim that takes a runnable row: the next epoch, the next attempt."""
    return Claim(
        drop=drop_id(workflow, stage, found.revision),
        tenant=tenant,
        workflow=workflow,
        stage=stage,
        revision=found.revision,
        epoch=found.epoch + 1,
        attempt=found.attempts + 1,
        submission=submission,
        inputs={name: row.as_input() for name, row in found.inputs.items()},
        repair={name: row.as_input() for name, row in found.repair.items()},
        traceparent=traceparent,
        newest=newest,
        forked=forked,
        again=found.row is not None and found.row.again,
        memo_of=found.row.memo_of if found.row else 0,
    )


def spent(claim: Claim) -> Claim:
    """The last claim of a row that can't have this one."""
    return msgspec.structs.replace(claim, epoch=claim.epoch - 1, attempt=claim.attempt - 1)


def exhausted(found: Runnable, attempts: int) -> str:
    """Why a row that may have `attempts` attempts can't have another, or is hopeless; '' if it can."""
    if found.hopeless or found.attempts < attempts:
        return found.hopeless
    last = found.row.error if found.row else ""
    return f"gave up after {found.attempts} attempts: {last or 'each time its worker died or hung'}"


def given_up(row: Row | None, error: str) -> Change:
    """A row that can't be done ends its workflow. What it opened stays open: revisions never go back."""
    opens, target = (row.opens, row.target) if row else (0, "")
    return Change(state="failed", error=error, ends="failed", opens=opens, target=target)


def holds(claim: Claim, row: Row | None) -> bool:
    """Whether the row is still the claim's: nobody has claimed it since, and it has not ended."""
    return row is not None and row.epoch == claim.epoch and row.state == "running"


def still_due(topology: Topology, row: Row, rows: Iterable[Row]) -> bool:
    """Whether the row's work is still wanted."""
    return row.again or due(topology, row.stage, rows) == row.revision


def retried(rows: Sequence[Row]) -> int:
    """The attempts of a workflow's rows after their first; what it had before it was resumed is forgiven."""
    since = max((row.opens for row in rows if row.state == "failed"), default=0)
    return sum(max(0, row.attempts - 1) for row in rows if row.revision >= since)


def settle(
    topology: Topology, claim: Claim, state: WorkflowState, rows: Sequence[Row], outcome: Outcome, retries: int = 0
) -> Change | None:
    """What becomes of an outcome; None when the claim no longer stands and nothing may be written.

    `retries`: what the workflow has `retried`, which matters to a Retry only.
    """
    row = row_of(claim, rows)
    if row is None or state != "active" or not holds(claim, row):
        return None
    if not still_due(topology, row, rows):
        return Change(state="superseded")
    if isinstance(outcome, Retry) and retries >= RETRIES:
        return given_up(row, f"{outcome.error} (the {RETRIES} further attempts of a workflow are spent)")
    if row.again:
        return _made_again(row, outcome)
    match outcome:
        case Completed():
            return Change(state="completed", ends=_end(topology, claim.stage))
        case Rejected():
            return _rejected(topology, claim.stage, rows, outcome)
        case Failed():
            return given_up(row, outcome.error)
        case Retry():
            return Change(state="retry", error=outcome.error)


def at_once(topology: Topology, claim: Claim, outcome: Outcome) -> Change | None:
    """As `settle`, where no other row has a say: right as long as the workflow is active, no revision was opened since
    the claim, and the row is still the claim's and not one made again. None where there is more to look at."""
    plain = isinstance(outcome, Completed) and not outcome.memo_of and _end(topology, claim.stage) is None
    return Change(state="completed") if plain else None


def row_of(claim: Claim, rows: Iterable[Row]) -> Row | None:
    """The claim's own row."""
    return next((row for row in rows if (row.stage, row.revision) == (claim.stage, claim.revision)), None)


def _rejected(topology: Topology, stage: str, rows: Sequence[Row], outcome: Rejected) -> Change:
    if outcome.target not in topology[stage].repairs:
        raise ValueError(f"{stage} may not send work back to {outcome.target}")
    if rounds_left(topology, stage, rows) <= 0:
        return Change(state="completed", unmet=True, ends=_end(topology, stage))
    return Change(state="rejected", opens=newest(rows) + 1, target=outcome.target)


def _end(topology: Topology, stage: str) -> WorkflowState | None:
    return "completed" if stage == topology.last.name else None


def _made_again(row: Row, outcome: Outcome) -> Change:
    match outcome:
        case Completed() | Rejected():
            was, now = row.artifact.sha256 if row.artifact else "", outcome.artifact.sha256
            if was != now:
                lost = f"the artifact of {row.stage} {row.revision} (sha256 {was}) is lost"
                return given_up(row, f"{lost}, and made again it has other bytes (sha256 {now})")
            return _as_before(row, row.stands, "")
        case Failed():
            return given_up(row, outcome.error)
        case Retry():
            return _as_before(row, "retry", outcome.error)


def _as_before(row: Row, state: DropState, error: str) -> Change:
    return Change(state=state, opens=row.opens, target=row.target, unmet=row.unmet, error=error, again=row)


def kept(change: Change, outcome: Outcome) -> Completed | Rejected | None:
    """The outcome whose artifact the row keeps, if any."""
    if change.state in {"completed", "rejected"} and isinstance(outcome, Completed | Rejected):
        return outcome
    if change.state == "retry" and change.again is not None and change.again.artifact is not None:
        return Completed(artifact=change.again.artifact, media_type=change.again.media_type)
    return None


def closed(row: Row, now: datetime) -> Row:
    """An open row of a workflow that ends; one that is made again stands as before, its artifact still lost."""
    state = row.stands if row.again else "closed"
    return msgspec.structs.replace(row, state=state, lease_until=None, retry_at=None, updated_at=now)


def resumed(rows: Sequence[Row], now: datetime) -> Row | None:
    """The row that failed last, as it is when its workflow goes on: it opens the next revision, at its stage.

    A rejection that failed when it was made again has opened a revision at its target, which begins once more.
    """
    failed = max((row for row in rows if row.state == "failed"), key=lambda row: row.updated_at, default=None)
    if failed is None:
        return None
    opens, target = newest(rows) + 1, failed.target or failed.stage
    return msgspec.structs.replace(failed, opens=opens, target=target, updated_at=now)
