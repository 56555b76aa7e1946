"""Which stream the events' sequences belong to: what the store remembers of it, and what the keeper tells the store."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """The stream as the store knows it: its creation time, and its highest sequence noted (0: none) with the event
    that stands there."""

    created: str = ""
    seq: int = 0
    event: str = ""


class StreamMemory(Protocol):
    """What every publisher asks before it trusts the stream."""

    async def remembered(self) -> Remembered:
        """As of one moment."""
        ...


class StreamLedger(StreamMemory, Protocol):
    """The keeper's side."""

    async def adopt(self, created: str, was: str, *, since_s: float, again_s: float) -> int | None:
        """Belong to the stream made at `created`, not to the one made at `was`: clear the sequences of events younger
        than `since_s`; how many will be sent again. The same once more when `again_s` seconds have passed, for a worker
        may note late what the old stream had answered. None where there is nothing to do: it was done, by whichever
        keeper, or it is too early."""
        ...
