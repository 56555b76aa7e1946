"""Drops of stages that somebody else wrote: added once, told by one event, never met by the pipeline."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Literal, Protocol

import msgspec

from contracts.events import Input, Ref

from .drops import DropRow, StoredEvent

STAGE_FORM = "x_[a-z0-9_]{1,60}"
"""Names of stages that are not ours; none of the pipeline's begins so."""
MOST = 1000
"""Drops of others that a workflow may have."""


Held = Callable[[Ref], Awaitable[bool]]
"""Whether the object is in the store."""


class ForeignDrop(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody's stage did at one revision: an artifact that lies at its own sha256, or an error."""

    tenant: str
    workflow: str
    stage: str
    revision: int
    state: Literal["completed", "failed"]
    artifact: Ref | None = None
    media_type: str = ""
    inputs: tuple[Input, ...] = ()
    error: str = ""
    attempts: int = 1
    work_ms: int = 0
    traceparent: str = ""

    @property
    def body_sha256(self) -> bytes:
        """What makes it the same drop when it is sent again."""
        parts = (self.state, self.artifact.sha256 if self.artifact else "", self.media_type, self.error)
        return sha256(msgspec.json.encode([*parts, self.inputs])).digest()


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """The drop as it stands; `created` by this call, or by an equal one before. `events` are to be published."""

    drop: DropRow
    created: bool
    events: tuple[StoredEvent, ...] = ()


class OtherDrop(Exception):
    """The stage has another drop at this revision: the first one stands."""


class TooMany(Exception):
    """The workflow has `MOST` drops of others."""


class ForeignDrops(Protocol):
    """The gateway's side; every call is for one tenant."""

    async def add(self, drop: ForeignDrop, held: Held) -> Added | None:
        """Write the drop and its event; None for an unknown workflow. Raises `OtherDrop` and `TooMany`, and
        `ArtifactLost` where its artifact is not `held`; from then on no collector deletes it."""
        ...

    async def drops(self, tenant: str, workflow: str) -> Sequence[DropRow]:
        """In the order in which they were added."""
        ...

    async def artifact(self, tenant: str, digest: str) -> tuple[Ref, str] | None:
        """Where the artifact of such a drop lies, and its media type."""
        ...


def is_foreign(stage: str) -> bool:
    """Whether a stage of this name is somebody else's."""
    return re.fullmatch(STAGE_FORM, stage) is not None
