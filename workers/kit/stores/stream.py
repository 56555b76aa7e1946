"""Which stream the events' sequences belong to: what the store remembers of it, what the keeper tells the store, and
what an earlier stream held."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from .drops import StoredEvent

RETENTION_S = 30 * 24 * 3600
"""What the stream keeps, and what is sent again to one that is made anew."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """The stream as the store knows it: its creation time, the sequence below which none is its own, and the highest
    sequence noted, of any stream (0: none), with the event that stands there."""

    created: str = ""
    first_seq: int = 0
    seq: int = 0
    event: str = ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Of what earlier streams held: the events behind the sequence `after`, up to `through`."""

    events: Sequence[StoredEvent]
    first_seq: int
    after: int
    through: int


class StreamMemory(Protocol):
    """What every publisher asks before it trusts the stream."""

    async def remembered(self) -> Remembered:
        """As of one moment."""
        ...


class StreamRelay(StreamMemory, Protocol):
    """The relays' side: what the stream does not hold yet, and, in its order, what an earlier stream held."""

    async def unpublished(
        self, stages: Sequence[str], *, older_s: float, limit: int, without: Collection[str] = ()
    ) -> Sequence[StoredEvent]:
        """The stages' events that the stream does not hold yet, oldest first ('workflow' for lifecycle events), but not
        those with an id in `without`."""
        ...

    async def published(self, events: Sequence[StoredEvent]) -> None:
        """Note the sequence (`seq`) at which each event stands in the stream."""
        ...

    async def history(self, *, since_s: float, limit: int) -> History | None:
        """What comes next of it, at most `limit` events and none that is older than `since_s`; None where there is
        nothing more. Those of active workflows do not wait here, they are unpublished."""
        ...

    async def resent(self, history: History, refused: Collection[str] = ()) -> None:
        """The stream holds all of them but those with an id in `refused`, which are unpublished from now on."""
        ...


class StreamLedger(StreamMemory, Protocol):
    """The keeper's side. An event keeps the sequence that it had in an earlier stream until it has a new one: what is
    done here takes no longer where there are more of them."""

    async def adopt(self, created: str, was: str, *, first_seq: int, again_s: float) -> bool:
        """Belong to the stream made at `created`, which begins at `first_seq`, not to the one made at `was`; False
        where that was done already, by whichever keeper."""
        ...

    async def revive(self) -> int:
        """Until `again_s` seconds after an adoption, and once more then, for a worker may note late what the old stream
        had answered: the events of active workflows that an earlier stream held are unpublished; how many."""
        ...
