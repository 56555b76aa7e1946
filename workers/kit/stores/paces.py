"""The port that counts what is taken a minute, by names, for all routers together. Only who has a limit asks it.

Adapters: `pg.paces.PgPaces`, `memory.paces.MemoryPaces`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

MINUTE_S = 60.0
SOON_S = 2.0
"""Until some of the calls that run have ended, which may take less than was thought."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What a name may take a minute; 0: any number."""

    name: str
    calls: int = 0
    tokens: int = 0


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was counted, with what it is expected to take, for `ended`."""

    names: tuple[str, ...]
    began: float
    estimate: int


class Later(msgspec.Struct, frozen=True, kw_only=True):
    """A call that must not be, and when to come again."""

    pace: Pace
    over: Literal["calls", "tokens"]
    pause_s: float

    @property
    def sentence(self) -> str:
        most = self.pace.calls if self.over == "calls" else self.pace.tokens
        return f"{most} {self.over} a minute, as many as it may take"


class Paces(Protocol):
    """A call counts for a minute from its begin; its tokens, estimated until it ends, for a minute from there. An
    estimate counts for a minute too, however long the call runs: nobody says it for a router that died."""

    async def begin(self, paces: Sequence[Pace], tokens: int = 0) -> Counted | Later:
        """Count one call of about so many tokens under all these names, or under none. Raises `StoreDown`."""
        ...

    async def ended(self, counted: Counted, tokens: int) -> None:
        """What the call took in truth. Raises `StoreDown`."""
        ...
