"""The events of the bus: one struct per kind of data, and the registry from CloudEvents type to struct.

A type is `dev.quantumlayer.<stage or workflow>.<outcome>.v<n>`; the struct's name carries the version from 2 on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from .subjects import EventSubject, parse_event
from .topology import LIFECYCLE, TOPOLOGY

SOURCE = "/quantumlayer"
TYPE_PREFIX = "dev.quantumlayer"


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """Where bytes lie: `length` bytes from `offset` in the object `key`, with their sha256 in hex."""

    key: str
    offset: int
    length: int
    sha256: str


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One artifact that a drop was made from."""

    stage: str
    revision: int
    sha256: str
    unmet: bool = False


class ModelCalls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one model did in one role for a drop: `calls` answers, of which `known` came from the ledger.

    `cost` is in US dollars; `tried` are models that gave no answer before this one did; `instead` says why it stood in.
    """

    role: str
    model: str
    calls: int = 0
    known: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    tried: tuple[str, ...] = ()
    instead: str = ""


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every event tells: whose it is. Also in its subject; a mismatch is refused."""

    tenant: str
    workflow: str


class WorkflowSubmitted(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A prompt was accepted. The prompt itself is in the store, not on the bus. A fork names its `parent`."""

    prompt_sha256: str
    language: str = "python"
    parent: str = ""


class WorkflowCompleted(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The capsule is there: fetch `address` (a path of the gateway), expect `size` bytes with this `sha256`."""

    name: str
    grade: str
    reasons: tuple[str, ...]
    sha256: str
    size: int
    address: str


class WorkflowFailed(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A stage could not do its work, and said why."""

    stage: str
    error: str


class WorkflowCancelled(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody cancelled it."""

    reason: str = ""


class WorkflowExpired(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Its deadline passed before its last stage was done."""

    deadline: str


class WorkflowResumed(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A failed workflow goes on from stage `target` at revision `opens`."""

    opens: int
    target: str


class StageCompleted(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A drop was written. `unmet`: its findings stand, since no round of repair was left. `calls`: who wrote it.

    `attempts` counts them all; `work_ms` is how long the last one took, from its inputs to its artifact.

    `reused` names the drop whose artifact it took over, without any work; `edited`: a person put it there in a fork.
    """

    drop: str
    stage: str
    revision: int
    artifact: Ref
    media_type: str
    inputs: tuple[Input, ...] = ()
    unmet: bool = False
    calls: tuple[ModelCalls, ...] = ()
    attempts: int = 1
    work_ms: int = 0
    reused: str = ""
    edited: bool = False


class StageRejected(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A check refused its input; its report is `artifact`. Revision `opens` begins at stage `target`."""

    drop: str
    stage: str
    revision: int
    artifact: Ref
    media_type: str
    opens: int
    target: str
    findings: int
    inputs: tuple[Input, ...] = ()
    calls: tuple[ModelCalls, ...] = ()
    attempts: int = 1
    work_ms: int = 0


class StageFailed(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The stage can't do this work; the workflow ends as failed."""

    drop: str
    stage: str
    revision: int
    error: str
    attempts: int
    inputs: tuple[Input, ...] = ()
    work_ms: int = 0


LIFECYCLE_EVENTS: Mapping[str, type[Data]] = {
    "submitted": WorkflowSubmitted,
    "completed": WorkflowCompleted,
    "failed": WorkflowFailed,
    "cancelled": WorkflowCancelled,
    "expired": WorkflowExpired,
    "resumed": WorkflowResumed,
}
STAGE_EVENTS: Mapping[str, type[Data]] = {
    "completed": StageCompleted,
    "rejected": StageRejected,
    "failed": StageFailed,
}


def type_name(stage: str, outcome: str, version: int = 1) -> str:
    """The CloudEvents type of a stage's (or, for 'workflow', the workflow's) outcome."""
    return f"{TYPE_PREFIX}.{stage}.{outcome}.v{version}"


def _registry() -> dict[str, type[Data]]:
    known = {type_name(LIFECYCLE, outcome): data for outcome, data in LIFECYCLE_EVENTS.items()}
    for stage in TOPOLOGY.stages.values():
        known |= {
            type_name(stage.name, outcome): data
            for outcome, data in STAGE_EVENTS.items()
            if outcome != "rejected" or stage.repairs
        }
    return known


TYPES: Mapping[str, type[Data]] = _registry()
"""Every event type of the product, and the struct of its data."""

_TYPE = re.compile(rf"{re.escape(TYPE_PREFIX)}\.([a-z0-9_-]+)\.([a-z]+)\.v([1-9][0-9]*)")


def data_type(name: str) -> type[Data] | None:
    """The struct for a CloudEvents type: of the registry, else by its outcome for a stage outside the product's
    pipeline (tests, benchmarks, third parties); None when no reader of today can know it."""
    if name in TYPES:
        return TYPES[name]
    match = _TYPE.fullmatch(name)
    if match is None or match[3] != "1" or match[1] == LIFECYCLE:
        return None
    return STAGE_EVENTS.get(match[2])


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One CloudEvent: its attributes and typed data. `time` is RFC 3339 in UTC; `traceparent` may be ''."""

    subject: str
    type: str
    time: str
    data: Data
    traceparent: str = ""
    source: str = SOURCE

    @property
    def parts(self) -> EventSubject:
        """The subject, parsed."""
        return parse_event(self.subject)

    @property
    def id(self) -> str:
        """Deterministic: `<workflow>.<stage>.<outcome>.<revision>[.<unit>]`."""
        return self.parts.id


def event(data: Data, *, stage: str, outcome: str, revision: int, time: str, traceparent: str = "") -> Event:
    """The event that tells `data`; its subject and type follow from the arguments. Raises `BadSubject`."""
    subject = EventSubject(tenant=data.tenant, workflow=data.workflow, stage=stage, outcome=outcome, revision=revision)
    return Event(subject=str(subject), type=type_name(stage, outcome), time=time, data=data, traceparent=traceparent)
