"""What calls to models took, as people ask for it: call by call, summed up, and how well each role does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from .calls import Outcome
from .retrievals import ArmReport

By = Literal["tenant", "workflow", "stage", "task", "role", "model", "provider", "outcome", "month", "day"]
MOST_GROUPS = 1000
HEALTH_DAYS = 30
"""How many days a role's health is about where nothing else is asked for: calls pile up."""


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `id` is the cursor; `tried` and `pieces` are as the router wrote them; `cost` is in US dollars."""

    id: str
    workflow: str
    stage: str
    revision: int
    task: str
    role: str
    question: str
    outcome: Outcome
    model: str
    provider: str
    tokens_in: int
    tokens_out: int
    cost: float
    latency_ms: int
    code: str
    detail: str
    tried: tuple[dict[str, object], ...]
    pieces: tuple[dict[str, object], ...]
    created_at: str


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Of the calls with one value each of what was asked to group by. Tokens are those that were paid for."""

    by: dict[str, str]
    calls: int
    known: int
    failed: int
    stand_ins: int
    tokens_in: int
    tokens_out: int
    cost: float


class RoleHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a role does, by its calls that reached a model. Shares are from 0 to 1: `success` of those that asked anew,
    not in the place of an answer that could not be used: theirs could be used as it came; `repairs` of the answered
    ones, whose work a check sent back to their stage, which asked again. Latencies are of answered ones."""

    role: str
    calls: int
    success: float
    repairs: float
    cost: float
    p50_ms: int
    p95_ms: int


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in US dollars (None: there is none), what is spent of it, and what calls that run now may cost."""

    scope: Literal["workflow", "month"]
    allowed: float | None
    spent: float
    held: float = 0.0


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Of which calls; '' is any."""

    workflow: str = ""
    stage: str = ""
    role: str = ""
    model: str = ""
    outcome: str = ""


EVERY = Which()


class UsageReads(Protocol):
    """For the gateway: one tenant's."""

    async def calls(self, tenant: str, *, before: str = "", limit: int = 50, which: Which = EVERY) -> Sequence[CallRow]:
        """Newest first, from the one after `before`. Raises ValueError for a cursor that is none."""
        ...

    async def call(self, tenant: str, id_: str) -> CallRow | None:
        """The one with this id."""
        ...

    async def totals(
        self, tenant: str, *, by: Sequence[By], workflow: str = "", since: datetime | None = None
    ) -> Sequence[Total]:
        """The dearest first, at most `MOST_GROUPS`. Raises ValueError for what nothing is grouped by."""
        ...

    async def roles(self, tenant: str, *, since: datetime | None = None) -> Sequence[RoleHealth]:
        """Every role that was asked for, by name."""
        ...

    async def arms(self, tenant: str) -> Sequence[ArmReport]:
        """What examples of earlier work are worth: one report an arm."""
        ...

    async def budgets(self, tenant: str, *, workflow: str = "") -> Sequence[Budget]:
        """The workflow's, when one is named, and this month's."""
        ...

    async def limit_month(self, tenant: str, allowed: float | None) -> bool:
        """Let the tenant spend so many US dollars each month from now on (None: any); False where it may not say so."""
        ...
