"""What the gateway tells, as plain frozen objects. What they do not know of an answer stands in `raw`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import QuantumLayerError

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """Bytes that a stage made."""

    sha256: str
    size: int
    media_type: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drop:
    """One stage's work at one revision."""

    id: str
    stage: str
    revision: int
    state: str
    artifact: Artifact | None = None
    error: str = ""
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workflow:
    """One submitted prompt on its way to a capsule. `state`: active, completed, failed, cancelled, expired."""

    id: str
    state: str
    prompt: str = ""
    error: str = ""
    drops: tuple[Drop, ...] = ()
    raw: Json = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        """Whether nothing more happens, unless somebody resumes it."""
        return self.state != "active"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fork:
    """A new workflow that begins with what its parent had done; `id` is '' after a dry run."""

    id: str
    parent: str
    plan: Json
    raw: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One CloudEvent. `position` is what to come back with (`after=`); '' where it has none."""

    id: str
    type: str
    subject: str
    time: str = ""
    traceparent: str = ""
    data: Json = field(default_factory=dict)
    position: str = ""

    @property
    def stage(self) -> str:
        """The stage that it tells of; `workflow` for the workflow itself."""
        return self._part(4)

    @property
    def outcome(self) -> str:
        """completed, rejected, failed; and submitted, cancelled, expired, resumed of workflows."""
        return self._part(5)

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self._part(2)

    @property
    def workflow(self) -> str:
        """The id of the workflow."""
        return self._part(3)

    @property
    def revision(self) -> int:
        """1 at first, one more for each repair."""
        digits = self._part(6)
        return int(digits) if digits.isdecimal() else 0

    def _part(self, place: int) -> str:
        parts = self.subject.split(".")
        return parts[place] if place < len(parts) else ""


def artifact_of(told: Json) -> Artifact:
    """As the gateway tells an artifact."""
    return Artifact(sha256=told["sha256"], size=told["size"], media_type=told.get("media_type", ""))


def drop_of(told: Json) -> Drop:
    """As the gateway tells a drop."""
    artifact = told.get("artifact")
    return Drop(
        id=told["id"],
        stage=told["stage"],
        revision=told["revision"],
        state=told["state"],
        artifact=artifact_of(artifact) if artifact else None,
        error=told.get("error") or "",
        raw=told,
    )


def workflow_of(told: Json) -> Workflow:
    """As the gateway tells a workflow, or that it took one."""
    return Workflow(
        id=told["id"],
        state=told["state"],
        prompt=told.get("prompt", ""),
        error=told.get("error") or "",
        drops=tuple(drop_of(each) for each in told.get("drops", ())),
        raw=told,
    )


def fork_of(told: Json) -> Fork:
    """As the gateway tells a fork."""
    return Fork(id=told.get("id") or "", parent=told["parent"], plan=told["plan"], raw=told)


def event_of(body: str | bytes, position: str = "") -> Event:
    """The event in a JSON document; raises `QuantumLayerError` for what is none."""
    try:
        told = json.loads(body)
        texts = {name: told.get(name, "") for name in ("time", "traceparent")}
        found = Event(
            id=told["id"], type=told["type"], subject=told["subject"], data=told["data"], position=position, **texts
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise QuantumLayerError(f"not a CloudEvent: {error!r}") from None
    return found
