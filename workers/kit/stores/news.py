"""The events that tell of a change, as the store keeps them: pure, deterministic in their ids, one order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from contracts.artifacts import Submission
from contracts.cloudevents import MAX_BYTES, to_structured
from contracts.events import (
    Data,
    Input,
    StageCompleted,
    StageFailed,
    StageRejected,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowExpired,
    WorkflowFailed,
    WorkflowResumed,
    WorkflowSubmitted,
    event,
)
from contracts.topology import LIFECYCLE

from .drops import CapsuleHead, Claim, Completed, DropRow, Failed, Outcome, Rejected, Retry, StoredEvent
from .standing import Change, Row, drop_id

MAX_ERROR = 2000
"""Characters of an error that are kept; an event must stay small."""

MAX_REASONS = 10
MAX_REASON = 500
"""Of the reasons for a grade, and of the characters of each: the manifest has them whole."""

MAX_BODY = 64 * 1024
"""Bytes of a dead letter that are kept."""

EXPIRED = "its deadline has passed"
"""The error of an expired workflow."""


def rfc3339(moment: datetime | None) -> str:
    """A time as the bus writes it, in UTC; '' for none."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if moment else ""


def plain(text: str, limit: int = MAX_ERROR) -> str:
    """`text` as PostgreSQL and the bus can hold it: no NUL, no half of a surrogate pair, at most `limit` characters."""
    return text[:limit].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def checked_body(body: bytes) -> None:
    """Raises ValueError for one that no dead letter can hold."""
    if len(body) > MAX_BODY:
        raise ValueError(f"a dead letter has at most {MAX_BODY} bytes, not {len(body)}")


def drop_of(workflow: str, row: Row) -> DropRow:
    """A drop, for people."""
    return DropRow(
        id=drop_id(workflow, row.stage, row.revision),
        workflow=workflow,
        stage=row.stage,
        revision=row.revision,
        state=row.state,
        attempts=row.attempts,
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        artifact=row.artifact,
        media_type=row.media_type,
        inputs=row.inputs,
        opens=row.opens,
        target=row.target,
        unmet=row.unmet,
        error=row.error,
        memo_of=row.memo_of,
    )


def moments(now: datetime, count: int) -> Sequence[datetime]:
    """A time for each of `count` events of one change, so that their order can be read from it."""
    return [now + timedelta(microseconds=place) for place in range(count)]


def inputs_of(claim: Claim) -> tuple[Input, ...]:
    """Everything the claim's drop is made from: its ancestors' drops, then those that only a repair gets."""
    return tuple(found.input for found in (*claim.inputs.values(), *claim.repair.values()))


def submitted(
    tenant: str, workflow: str, submission: Submission, now: datetime, trace: str, parent: str = ""
) -> StoredEvent:
    """The first event of a workflow."""
    prompt_sha256 = sha256(submission.prompt.encode()).hexdigest()
    data = WorkflowSubmitted(
        tenant=tenant,
        workflow=workflow,
        prompt_sha256=prompt_sha256,
        language=submission.language,
        parent=parent,
    )
    return stored(data, LIFECYCLE, "submitted", 1, now, trace)


def expired(tenant: str, workflow: str, deadline: datetime, revision: int, now: datetime, trace: str) -> StoredEvent:
    """The end of a workflow whose deadline has passed."""
    data = WorkflowExpired(tenant=tenant, workflow=workflow, deadline=rfc3339(deadline))
    return stored(data, LIFECYCLE, "expired", revision, now, trace)


def cancelled(tenant: str, workflow: str, reason: str, revision: int, now: datetime, trace: str) -> StoredEvent:
    """The end of a workflow that somebody cancelled."""
    data = WorkflowCancelled(tenant=tenant, workflow=workflow, reason=plain(reason))
    return stored(data, LIFECYCLE, "cancelled", revision, now, trace)


def resumed(tenant: str, workflow: str, opener: Row, now: datetime, trace: str) -> StoredEvent:
    """A failed workflow goes on with the revision that `opener` opens."""
    data = WorkflowResumed(tenant=tenant, workflow=workflow, opens=opener.opens, target=opener.target)
    return stored(data, LIFECYCLE, "resumed", opener.opens, now, trace)


def told(claim: Claim, change: Change, outcome: Outcome, newest: int, now: datetime) -> tuple[StoredEvent, ...]:
    """The events of a committed outcome: the stage's, and the workflow's where it ends with it."""
    if change.state in {"superseded", "retry"} or change.again is not None:
        return ()
    if change.state == "failed" and not isinstance(outcome, Failed):
        outcome = Failed(error=change.error)
    facts: list[tuple[Data, str, str, int]] = [
        (_fact(claim, change, outcome), claim.stage, change.state, claim.revision)
    ]
    end = _end(claim, change, outcome)
    if end is not None and change.ends is not None:
        facts.append((end, LIFECYCLE, change.ends, newest))
    times = moments(now, len(facts))
    return tuple(
        stored(data, stage, outcome_name, revision, time, claim.traceparent)
        for (data, stage, outcome_name, revision), time in zip(facts, times, strict=True)
    )


def _fact(claim: Claim, change: Change, outcome: Outcome) -> Data:
    match outcome:
        case Completed() | Rejected() if change.state == "completed":
            return StageCompleted(
                tenant=claim.tenant,
                workflow=claim.workflow,
                drop=claim.drop,
                stage=claim.stage,
                revision=claim.revision,
                artifact=outcome.artifact,
                media_type=outcome.media_type,
                inputs=inputs_of(claim),
                unmet=change.unmet,
                calls=outcome.calls,
                attempts=claim.attempt,
                work_ms=outcome.work_ms,
                reused=outcome.reused if isinstance(outcome, Completed) else "",
            )
        case Rejected():
            return StageRejected(
                tenant=claim.tenant,
                workflow=claim.workflow,
                drop=claim.drop,
                stage=claim.stage,
                revision=claim.revision,
                artifact=outcome.artifact,
                media_type=outcome.media_type,
                opens=change.opens,
                target=change.target,
                findings=outcome.findings,
                inputs=inputs_of(claim),
                calls=outcome.calls,
                attempts=claim.attempt,
                work_ms=outcome.work_ms,
            )
        case Failed():
            return StageFailed(
                tenant=claim.tenant,
                workflow=claim.workflow,
                drop=claim.drop,
                stage=claim.stage,
                revision=claim.revision,
                error=plain(outcome.error),
                attempts=claim.attempt,
                inputs=inputs_of(claim),
                work_ms=outcome.work_ms,
            )
        case Completed() | Retry():
            raise ValueError(f"no event tells of {change.state}")


def _end(claim: Claim, change: Change, outcome: Outcome) -> Data | None:
    if isinstance(outcome, Failed):
        return WorkflowFailed(
            tenant=claim.tenant, workflow=claim.workflow, stage=claim.stage, error=plain(outcome.error)
        )
    if change.ends is None or not isinstance(outcome, Completed | Rejected):
        return None
    head = outcome.capsule if isinstance(outcome, Completed) else None
    head = head or CapsuleHead(name="", grade="", reasons=())
    return WorkflowCompleted(
        tenant=claim.tenant,
        workflow=claim.workflow,
        name=head.name,
        grade=head.grade,
        reasons=tuple(plain(reason, MAX_REASON) for reason in head.reasons[:MAX_REASONS]),
        sha256=outcome.artifact.sha256,
        size=outcome.artifact.length,
        address=f"/v1/workflows/{claim.workflow}/capsule",
    )


def stored(data: Data, stage: str, outcome: str, revision: int, now: datetime, traceparent: str) -> StoredEvent:
    """One event in the form of the outbox."""
    told = event(data, stage=stage, outcome=outcome, revision=revision, time=rfc3339(now), traceparent=traceparent)
    body = to_structured(told)
    if len(body) > MAX_BYTES:
        raise ValueError(f"{told.id} has {len(body)} bytes, more than an event may have ({MAX_BYTES})")
    return StoredEvent(
        workflow=data.workflow, id=told.id, tenant=data.tenant, stage=stage, subject=told.subject, body=body
    )
