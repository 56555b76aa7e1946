"""From a workflow's events to what it did when: pure, so that the stream, a file and a test give the same picture.

A step was ready when the last of its inputs was told of; it worked for `work_ms` before its own event; in between it
waited, in a queue or between attempts. Times are seconds since the first event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from contracts.events import (
    Event,
    ModelCalls,
    StageCompleted,
    StageFailed,
    StageRejected,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowResumed,
)
from contracts.topology import LIFECYCLE, TOPOLOGY

PLACES = {name: place for place, name in enumerate(TOPOLOGY.stages)}
Told = StageCompleted | StageRejected | StageFailed


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One drop. `outcome` is the event's, or `unmet`; `note` says why it was sent back, failed or stands."""

    stage: str
    revision: int
    outcome: str
    ready_s: float
    waited_s: float
    work_s: float
    ended_s: float
    attempts: int = 1
    reused: bool = False
    note: str = ""
    sha256: str = ""
    calls: tuple[ModelCalls, ...] = ()


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the workflow itself."""

    outcome: str
    at_s: float
    note: str = ""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all steps. `retries` are attempts after the first one, `repairs` the revisions that checks opened;
    of the `calls` to models `known` were answered by the ledger."""

    waited_s: float = 0.0
    work_s: float = 0.0
    retries: int = 0
    repairs: int = 0
    reused: int = 0
    calls: int = 0
    known: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow's history; `state` as of its last event, `began` in RFC 3339."""

    workflow: str
    state: str
    began: str
    seconds: float
    steps: tuple[Step, ...]
    marks: tuple[Mark, ...]
    totals: Totals


def timeline(events: Sequence[Event]) -> Timeline:
    """Events of one workflow, in any order; raises ValueError where there are none."""
    if not events:
        raise ValueError("a history needs an event")
    ordered = sorted(events, key=lambda event: (_moment(event), _place(event), event.id))
    start = _moment(ordered[0])
    at = {event.id: _moment(event) - start for event in ordered}
    resumed = {e.data.opens: at[e.id] for e in ordered if isinstance(e.data, WorkflowResumed)}
    ready = _Ready(ordered, at, resumed)
    steps = tuple(
        _step(event.data, at[event.id], ready.of(event.data))
        for event in ordered
        if isinstance(event.data, StageCompleted | StageRejected | StageFailed)
    )
    marks = tuple(
        Mark(outcome=event.parts.outcome, at_s=at[event.id], note=_said(event))
        for event in ordered
        if event.parts.stage == LIFECYCLE
    )
    return Timeline(
        workflow=ordered[0].data.workflow,
        state=_state(marks),
        began=ordered[0].time,
        seconds=max(at.values()),
        steps=steps,
        marks=marks,
        totals=totals(steps),
    )


def totals(steps: Iterable[Step]) -> Totals:
    """Their sums."""
    steps = tuple(steps)
    calls = [call for step in steps for call in step.calls]
    return Totals(
        waited_s=sum(step.waited_s for step in steps),
        work_s=sum(step.work_s for step in steps),
        retries=sum(step.attempts - 1 for step in steps),
        repairs=sum(step.outcome == "rejected" for step in steps),
        reused=sum(step.reused for step in steps),
        calls=sum(call.calls for call in calls),
        known=sum(call.known for call in calls),
        tokens_in=sum(call.tokens_in for call in calls),
        tokens_out=sum(call.tokens_out for call in calls),
        cost=sum(call.cost for call in calls),
    )


class _Ready:
    """When everything that a drop is made from was there."""

    def __init__(self, ordered: Sequence[Event], at: dict[str, float], resumed: dict[int, float]) -> None:
        self._resumed = resumed
        self._made = {
            (event.data.stage, event.data.revision): at[event.id]
            for event in ordered
            if isinstance(event.data, StageCompleted | StageRejected)
        }

    def of(self, told: Told) -> float:
        inputs = [self._made.get((each.stage, each.revision), 0.0) for each in told.inputs]
        return max([*inputs, self._resumed.get(told.revision, 0.0)])


def _step(told: Told, ended: float, ready: float) -> Step:
    ready = min(ready, ended)  # clocks of two servers may differ by a little
    work = min(told.work_ms / 1000, ended - ready)
    return Step(
        stage=told.stage,
        revision=told.revision,
        outcome=_outcome(told),
        ready_s=ready,
        waited_s=ended - ready - work,
        work_s=work,
        ended_s=ended,
        attempts=told.attempts,
        reused=isinstance(told, StageCompleted) and bool(told.reused),
        note=_note(told),
        sha256="" if isinstance(told, StageFailed) else told.artifact.sha256,
        calls=() if isinstance(told, StageFailed) else told.calls,
    )


def _outcome(told: Told) -> str:
    match told:
        case StageCompleted():
            return "unmet" if told.unmet else "completed"
        case StageRejected():
            return "rejected"
        case StageFailed():
            return "failed"


def _note(told: Told) -> str:
    match told:
        case StageCompleted():
            return "findings stand, no round left" if told.unmet else ""
        case StageRejected():
            return f"{told.findings} findings: back to {told.target} as revision {told.opens}"
        case StageFailed():
            return told.error


def _said(event: Event) -> str:
    match event.data:
        case WorkflowCompleted(name=name, grade=grade):
            return f"{name}, grade {grade}" if grade else name
        case WorkflowFailed(stage=stage, error=error):
            return f"{stage}: {error}"
        case WorkflowCancelled(reason=reason):
            return reason
        case WorkflowResumed(target=target, opens=opens):
            return f"from {target} as revision {opens}"
        case _:
            return ""


def _state(marks: Sequence[Mark]) -> str:
    last = marks[-1].outcome if marks else ""
    return last if last in {"completed", "failed", "cancelled", "expired"} else "active"


def _place(event: Event) -> int:
    """In the pipeline: what a fork takes over is all told of in one moment."""
    return PLACES.get(event.parts.stage, -1)


def _moment(event: Event) -> float:
    return datetime.fromisoformat(event.time).timestamp()
