"""What a function of a stage gets and gives."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .client import AsyncQuantumLayer
from .shapes import Event

PREFIX = "x_"


class Permanent(Exception):
    """Raise it for what no further try would change."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a stage made: text, bytes, or what JSON can hold."""

    content: Any
    media_type: str = ""

    def encoded(self) -> tuple[bytes, str]:
        """The bytes and their media type."""
        if isinstance(self.content, bytes):
            return self.content, self.media_type or "application/octet-stream"
        if isinstance(self.content, str):
            return self.content.encode(), self.media_type or "text/plain"
        return json.dumps(self.content, sort_keys=True, allow_nan=False).encode(), self.media_type or "application/json"


@dataclass(frozen=True, slots=True)
class Work:
    """One event to be handled, and the gateway to ask for more."""

    event: Event
    client: AsyncQuantumLayer = field(repr=False)

    @property
    def workflow(self) -> str:
        """The id of the workflow."""
        return self.event.workflow

    async def artifact(self) -> bytes:
        """What the event tells of, checked against its sha256."""
        ref = self.event.data.get("artifact")
        if not isinstance(ref, dict):
            raise Permanent(f"{self.event.type} tells of no artifact")
        return await self.client.artifact(ref["sha256"])

    async def json(self) -> Any:
        """The same, read as JSON: most stages write it."""
        return json.loads(await self.artifact())


Function: TypeAlias = Callable[[Work], Awaitable[Report | None] | Report | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Follower:
    """A stage, or an observer where it `writes` nothing."""

    name: str
    after: tuple[str, ...]
    function: Function
    writes: bool
    tries: int
    time_limit_s: float

    @property
    def subscription(self) -> str:
        """The name of its subscription, as `ql events subscribe` takes it."""
        return self.name.removeprefix(PREFIX).replace("_", "-")

    @property
    def stages(self) -> list[str]:
        """Whose events it needs."""
        return sorted({each.partition(".")[0] for each in self.after})

    def wants(self, event: Event) -> bool:
        """Whether the event is one that wakes it."""
        return f"{event.stage}.{event.outcome}" in self.after and len(event.subject.split(".")) == 7
