"""What people see of a workflow: its row, its drops, its dead letters, and the states they may be in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from contracts.events import Input, Ref

from .asks import Asking

WorkflowState = Literal["active", "completed", "failed", "cancelled", "expired"]
DropState = Literal["running", "retry", "completed", "rejected", "failed", "superseded", "closed"]


class WorkflowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow as people see it. Times are RFC 3339 in UTC."""

    id: str
    tenant: str
    state: WorkflowState
    prompt: str
    language: str
    created_at: str
    deadline: str
    ended_at: str = ""
    error: str = ""
    parent: str = ""
    asks: Mapping[str, Asking] = {}


class DropRow(msgspec.Struct, frozen=True, kw_only=True):
    """A drop as people see it. `memo_of`: the revision at which the memo's work was done, if it is another one."""

    id: str
    workflow: str
    stage: str
    revision: int
    state: DropState
    attempts: int
    created_at: str
    updated_at: str
    artifact: Ref | None = None
    media_type: str = ""
    inputs: tuple[Input, ...] = ()
    opens: int = 0
    target: str = ""
    unmet: bool = False
    error: str = ""
    memo_of: int = 0


def drop_id(workflow: str, stage: str, revision: int) -> str:
    """The name of a drop."""
    return f"{workflow}.{stage}.{revision}"


class LetterHead(msgspec.Struct, frozen=True, kw_only=True):
    """What no stage can use, as a list shows it: a message that can't be read, or one whose work was given up."""

    id: str
    tenant: str
    workflow: str
    stage: str
    reason: str
    kind: Literal["message", "work"] = "message"
    created_at: str = ""

    @property
    def place(self) -> str:
        """Where it stands in the list, also when it is gone: what a page's cursor says."""
        return f"{re.sub('[^0-9]', '', self.created_at)}_{self.id}"


class DeadLetter(LetterHead, frozen=True, kw_only=True):
    """The whole letter: with the message's bytes (at most 64 KiB of them) and the sha256 of those that came."""

    subject: str
    headers: str
    body: bytes
    sha256: str
