"""QuantumLayer for programs: submit a prompt, follow its events, fetch the package; and stages of your own.

`QuantumLayer` and `AsyncQuantumLayer` have the same methods. `quantumlayer.stages` is the kit for stages of your own
(it needs nats-py), `quantumlayer.webhooks` checks what a webhook was signed with. The clients alone need httpx, which
is imported when one of them is first named.
"""

from typing import TYPE_CHECKING, Any

from . import webhooks
from .capsules import BadCapsule, Capsule, check_capsule
from .errors import (
    ArtifactLost,
    Conflict,
    DropExists,
    EventsGone,
    Gone,
    IdempotencyKeyReused,
    Invalid,
    NoCapsule,
    NotFound,
    NotNow,
    Problem,
    QuantumLayerError,
    TimedOut,
    Unreachable,
    WorkflowEnded,
    WorkflowNotFound,
)
from .shapes import Artifact, Drop, Event, Fork, Workflow

if TYPE_CHECKING:
    from .client import AsyncQuantumLayer, QuantumLayer

__all__ = [
    "Artifact",
    "ArtifactLost",
    "AsyncQuantumLayer",
    "BadCapsule",
    "Capsule",
    "Conflict",
    "Drop",
    "DropExists",
    "Event",
    "EventsGone",
    "Fork",
    "Gone",
    "IdempotencyKeyReused",
    "Invalid",
    "NoCapsule",
    "NotFound",
    "NotNow",
    "Problem",
    "QuantumLayer",
    "QuantumLayerError",
    "TimedOut",
    "Unreachable",
    "Workflow",
    "WorkflowEnded",
    "WorkflowNotFound",
    "check_capsule",
    "webhooks",
]


def __getattr__(name: str) -> Any:
    if name not in {"AsyncQuantumLayer", "QuantumLayer"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import client

    return getattr(client, name)
