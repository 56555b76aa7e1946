"""What a stage is made of: its Run, and the ways it can end other than with an artifact.

Exception
└── StageError
    ├── Transient      the same work may succeed later; the runner tries again
    └── Permanent      it never will; the workflow ends as failed, with this sentence
        ├── Refused    the model can't serve the request, and says what it can
        └── Unfit      the model's answer breaks a rule; raised by a check, the model is asked once more
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from contracts.artifacts import Finding, StandIn
from contracts.events import Input


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a stage: whose, at which revision, from which inputs (by stage). `attempt` counts from 1.

    `stood_in`: who answered in place of the models that were wanted, for what the inputs were made from. `model` is a
    group or a model to be asked, whatever the role would, and `template` what it is told in the place of the task's own
    template: a fork may say so.
    """

    tenant: str
    workflow: str
    stage: str
    revision: int
    inputs: Mapping[str, Input]
    attempt: int = 1
    traceparent: str = ""
    stood_in: tuple[StandIn, ...] = ()
    model: str = ""
    template: str = ""


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A check refuses its input: `report` is written all the same, `target` is the stage that must do it again."""

    report: msgspec.Struct
    findings: tuple[Finding, ...]
    target: str


class StageError(Exception):
    """A stage could not finish."""


class Transient(StageError):
    """Try again, not before `retry_after` seconds (None: the runner's own back-off)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Permanent(StageError):
    """Trying again can't help; the message is for the person who sent the prompt."""


class Refused(Permanent):
    """The model refuses; its sentence says what it can do instead."""


class Unfit(Permanent):
    """What a model answered can't be used; the sentence names the thing that is wrong, for the model to mend."""
