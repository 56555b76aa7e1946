"""What can go wrong, by who can act.

QuantumLayerError
├── Unreachable            no gateway answers there
├── TimedOut               our own time was over; the workflow goes on
├── BadCapsule             the archive is not what was built (capsules.py)
├── BadSignature           a webhook that nobody of ours sent (webhooks.py)
└── Problem                the gateway refused: `status`, `code`, `title`, `detail`, `errors`
    ├── NotFound ── WorkflowNotFound
    ├── Conflict ── NoCapsule, WorkflowEnded, DropExists
    ├── Invalid ── IdempotencyKeyReused
    ├── Gone ── ArtifactLost, EventsGone
    └── NotNow             come back later: it was tried for as long as `patience` allows
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

NOT_NOW = (429, 502, 503, 504)
"""The gateway's own, and what a proxy says while the gateway behind it is away."""


class QuantumLayerError(Exception):
    """Everything this package raises on purpose."""


class Unreachable(QuantumLayerError):
    """No gateway answers at this address."""


class TimedOut(QuantumLayerError):
    """The time given was over first."""


class Problem(QuantumLayerError):
    """What the gateway said (RFC 9457): match `code`, show `detail`."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status, self.code, self.title, self.detail, self.errors = status, code, title, detail, tuple(errors)
        self.retry_after = retry_after


class NotFound(Problem):
    """There is nothing of yours there."""


class WorkflowNotFound(NotFound):
    """The id is no workflow of yours."""


class Conflict(Problem):
    """Not in the state that it is in."""


class NoCapsule(Conflict):
    """There is no capsule, or not yet."""


class WorkflowEnded(Conflict):
    """It has ended already."""


class DropExists(Conflict):
    """The stage has another drop at this revision; the first one stands."""


class Invalid(Problem):
    """The request is wrong; sending it again does not help."""


class IdempotencyKeyReused(Invalid):
    """The key was used for something else."""


class Gone(Problem):
    """It was there, and is no more."""


class ArtifactLost(Gone):
    """The bytes are gone or damaged."""


class EventsGone(Gone):
    """Some of the events after that position are no longer kept: begin again without it."""


class NotNow(Problem):
    """The gateway, or something before it, asks to come back later."""


_BY_CODE: Mapping[str, type[Problem]] = {
    "workflow_not_found": WorkflowNotFound,
    "no_capsule": NoCapsule,
    "workflow_ended": WorkflowEnded,
    "drop_exists": DropExists,
    "idempotency_key_reused": IdempotencyKeyReused,
    "artifact_lost": ArtifactLost,
    "events_gone": EventsGone,
}
_BY_STATUS: Mapping[int, type[Problem]] = {
    404: NotFound,
    409: Conflict,
    410: Gone,
    400: Invalid,
    413: Invalid,
    422: Invalid,
    **dict.fromkeys(NOT_NOW, NotNow),
}


def problem(answer: httpx.Response, body: bytes) -> Problem:
    """The error that an answer stands for, also one by a proxy that knows nothing of problems."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    told = found if isinstance(found, dict) else {}
    code, title, detail = (str(told.get(name, "")) for name in ("code", "title", "detail"))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(answer.status_code, Problem)
    errors = told.get("errors")
    listed = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    title = title or f"HTTP {answer.status_code}"
    return kind(answer.status_code, code or "http_error", title, detail, listed, _retry_after(answer.headers))


def _retry_after(headers: Mapping[str, str]) -> float:
    """What is asked for, in seconds; 0 where nothing is asked for that can be read."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said[:9])
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
