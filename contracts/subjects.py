"""Subject names of the bus: built, parsed and filtered in this one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from .topology import LIFECYCLE, Topology

STREAM = "QL"
DEAD_STREAM = "QL_DEAD"
EVENTS = "ql.evt.>"
WAKES = "ql.wake.>"
DEAD = "ql.dead.>"
RESULTS = "ql.res"
"""The stream's events are republished under this prefix, for plain subscriptions."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EVENT = re.compile(r"ql\.evt\.(T)\.(T)\.(T)\.(T)\.([1-9][0-9]{0,8})(?:\.(T))?".replace("T", _TOKEN.pattern))


class BadSubject(ValueError):
    """The subject, or a token for one, is not of our form; the message says which and why."""


class EventSubject(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of `ql.evt.<tenant>.<workflow>.<stage>.<outcome>.<revision>[.<unit>]`."""

    tenant: str
    workflow: str
    stage: str
    outcome: str
    revision: int
    unit: str = ""

    def __str__(self) -> str:
        tail = f".{token(self.unit)}" if self.unit else ""
        head = ".".join(token(part) for part in (self.tenant, self.workflow, self.stage, self.outcome))
        return f"ql.evt.{head}.{self.revision}{tail}"

    @property
    def id(self) -> str:
        """The event's id, and its Nats-Msg-Id: the same event always has the same."""
        tail = f".{self.unit}" if self.unit else ""
        return f"{self.workflow}.{self.stage}.{self.outcome}.{self.revision}{tail}"


def token(text: str) -> str:
    """`text`, if it may stand between two dots of a subject; raises `BadSubject`."""
    if not _TOKEN.fullmatch(text):
        raise BadSubject(f"{text[:80]!r} is no subject token: 1 to 64 of A-Z a-z 0-9 _ -")
    return text


@lru_cache(maxsize=4096)  # one message's subject is asked for several times
def parse_event(subject: str) -> EventSubject:
    """The parts of an event's subject; raises `BadSubject`."""
    match = _EVENT.fullmatch(subject)
    if match is None:
        raise BadSubject(_wrong(subject))
    tenant, workflow, stage, outcome, revision, unit = match.groups("")
    return EventSubject(
        tenant=tenant, workflow=workflow, stage=stage, outcome=outcome, revision=int(revision), unit=unit
    )


def _wrong(subject: str) -> str:
    parts = subject.split(".")
    if len(parts) not in {7, 8} or parts[:2] != ["ql", "evt"]:
        return f"{subject[:200]!r} is not ql.evt.<tenant>.<workflow>.<stage>.<outcome>.<revision>[.<unit>]"
    for part in parts[2:]:
        token(part)
    return f"{parts[6]!r} is no revision in {subject[:200]!r}"


def wake(stage: str, tenant: str, workflow: str) -> str:
    """Tells `stage` to look at one workflow again; carries no content."""
    return f"ql.wake.{token(stage)}.{token(tenant)}.{token(workflow)}"


def parse_wake(subject: str) -> tuple[str, str, str]:
    """(stage, tenant, workflow) of a wake; raises `BadSubject`."""
    parts = subject.split(".")
    if len(parts) != 5 or parts[:2] != ["ql", "wake"]:
        raise BadSubject(f"{subject[:200]!r} is not ql.wake.<stage>.<tenant>.<workflow>")
    return token(parts[2]), token(parts[3]), token(parts[4])


def live(tenant: str, workflow: str, stage: str) -> str:
    """Progress for whoever watches; plain NATS, never stored."""
    return f"ql.live.{token(tenant)}.{token(workflow)}.{token(stage)}"


CANCELS = "ql.ctl.*.*.cancel"
"""Every nudge of a cancelled workflow."""


def cancel(tenant: str, workflow: str) -> str:
    """Tells whoever works at a workflow to stop now; plain NATS, a lost one costs one heartbeat."""
    return f"ql.ctl.{token(tenant)}.{token(workflow)}.cancel"


def parse_cancel(subject: str) -> tuple[str, str]:
    """(tenant, workflow) of a nudge; raises `BadSubject`."""
    return _told_of(subject, "cancel")


WATCHED = "ql.ctl.*.*.watched"
"""Every nudge of a workflow that somebody follows live."""


def watched(tenant: str, workflow: str) -> str:
    """Tells the model routers that somebody sees what they tell of a workflow; plain NATS, said again and again."""
    return f"ql.ctl.{token(tenant)}.{token(workflow)}.watched"


def parse_watched(subject: str) -> tuple[str, str]:
    """(tenant, workflow) of such a nudge; raises `BadSubject`."""
    return _told_of(subject, "watched")


def _told_of(subject: str, what: str) -> tuple[str, str]:
    parts = subject.split(".")
    if len(parts) != 5 or parts[:2] != ["ql", "ctl"] or parts[4] != what:
        raise BadSubject(f"{subject[:200]!r} is not ql.ctl.<tenant>.<workflow>.{what}")
    return token(parts[2]), token(parts[3])


def dead(tenant: str, workflow: str, stage: str) -> str:
    """Where the news of a dead letter is published (stream QL_DEAD)."""
    return f"ql.dead.{token(tenant)}.{token(workflow)}.{token(stage)}"


def result(event_subject: str) -> str:
    """Where the stream republishes an event: `ql.evt.x` is seen at `ql.res.x`."""
    return event_subject.replace("ql.evt.", f"{RESULTS}.", 1)


PAUSES = "ql.ctl.pauses"
"""A nudge: some stage was paused, or goes on; plain NATS, a lost one costs a second."""


OBSERVERS: Mapping[str, tuple[str, ...]] = {"learning": ("ql.evt.*.*.workflow.completed.*",), "webhooks": (EVENTS,)}
"""Who follows events by a durable of its own and wakes nobody, and the filters of that durable."""


def wakes(stage: str, topology: Topology) -> tuple[str, ...]:
    """Every filter of the stage's durable: its needs' completions, rejections that may target it, resumes, wakes."""
    row = topology[stage]
    causes = [f"ql.evt.*.*.{need}.completed.*" for need in row.needs] or [f"ql.evt.*.*.{LIFECYCLE}.submitted.*"]
    causes += [f"ql.evt.*.*.{checker}.rejected.*" for checker in topology.checkers_of(stage)]
    return (*causes, f"ql.evt.*.*.{LIFECYCLE}.resumed.*", f"ql.wake.{stage}.>")
