"""The workers' store: each method is one short transaction on the pool, or its share of one."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from contracts.topology import Topology
from workers.kit.stores.drops import Claim, Committed, DeadLetter, NoClaim, Outcome, Remembered, StoredEvent

from . import admission, at_once, claims, commits, letters, outbox
from .group import Group
from .lost import rearm
from .pool import Pool, connected, transaction

Answer = TypeVar("Answer")


class PgDrops:
    """Drops and StreamLedger for role ql_worker. Claims made together share a transaction; so do commits, renewals."""

    __slots__ = ("_claims", "_clock", "_commits", "_renewals", "pool", "topology")

    def __init__(self, pool: Pool, topology: Topology) -> None:
        self.pool = pool
        self.topology = topology
        self._clock = datetime.now(UTC), time.monotonic()  # until the first claim says better
        # A claim whose caller has gone is handed back; such a commit stands, and the sweeper tells of it.
        self._claims: Group[claims.Asked, Claim | NoClaim] = Group(
            self._claim, key=lambda asked: asked.workflow, orphan=self._hand_back
        )
        self._commits = Group(self._commit, key=lambda asked: asked[0].workflow)
        self._renewals = Group(self._renew)

    async def claim(
        self,
        stage: str,
        tenant: str,
        workflow: str,
        *,
        lease_s: float,
        attempts: int,
        takes: Collection[str] = (),
    ) -> Claim | NoClaim:
        return await self._claims.ask(claims.Asked(stage, tenant, workflow, lease_s, attempts, takes))

    async def _claim(self, batch: Sequence[claims.Asked]) -> Sequence[Claim | NoClaim | Exception]:
        async with connected(self.pool) as connection:
            answers, now = await at_once.claim(connection, self.topology, batch)
        if now is not None:
            self._clock = now, time.monotonic()
        rest = [asked for asked, answer in zip(batch, answers, strict=True) if answer is None]
        if not rest:
            return _answered(answers, ())
        async with transaction(self.pool) as connection:
            return _answered(answers, await claims.claim(connection, self.topology, rest))

    async def _hand_back(self, _: claims.Asked, found: Claim | NoClaim) -> None:
        if isinstance(found, Claim):
            await self.release(found)

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        return await self._renewals.ask((claim, lease_s))

    async def _renew(self, batch: Sequence[tuple[Claim, float]]) -> Sequence[bool]:
        async with connected(self.pool) as connection:
            return await claims.renew(connection, self.topology, batch)

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        return await self._commits.ask((claim, outcome))

    async def _commit(self, batch: Sequence[tuple[Claim, Outcome]]) -> Sequence[Committed | Exception]:
        async with connected(self.pool) as connection:
            answers = await at_once.commit(connection, self.topology, batch, self._now())
        rest = [asked for asked, answer in zip(batch, answers, strict=True) if answer is None]
        if not rest:
            return _answered(answers, ())
        async with transaction(self.pool) as connection:
            return _answered(answers, await commits.commit(connection, self.topology, rest))

    def _now(self) -> datetime:
        """The database's time, as far as the claim before can tell."""
        then, mark = self._clock
        return then + timedelta(seconds=time.monotonic() - mark)

    async def release(self, claim: Claim) -> None:
        async with connected(self.pool) as connection:
            await claims.release(connection, claim)

    async def rearm(self, claim: Claim, lost: Collection[str], *, after_s: float) -> bool:
        async with transaction(self.pool) as connection:
            return await rearm(connection, self.topology, claim, lost, after_s)

    async def admit(self, *, most: int, limit: int) -> Sequence[StoredEvent]:
        async with transaction(self.pool) as connection:
            return await admission.admit(connection, most, limit)

    async def unpublished(self, stages: Sequence[str], *, older_s: float, limit: int) -> Sequence[StoredEvent]:
        async with connected(self.pool) as connection:
            return await outbox.unpublished(connection, stages, older_s, limit)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        async with connected(self.pool) as connection:
            await outbox.published(connection, events)

    async def runnable(self, stage: str, *, absent_s: float | None, limit: int) -> Sequence[tuple[str, str]]:
        async with connected(self.pool) as connection:
            return await outbox.runnable(connection, self.topology, stage, absent_s, limit)

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        async with transaction(self.pool) as connection:
            return await commits.expire(connection, limit)

    async def bury(self, letter: DeadLetter) -> None:
        async with connected(self.pool) as connection:
            await letters.bury(connection, letter)

    async def remembered(self) -> Remembered:
        async with connected(self.pool) as connection:
            return await outbox.remembered(connection)

    async def adopt(self, created: str, *, since_s: float) -> int:
        async with transaction(self.pool) as connection:
            return await outbox.adopt(connection, created, since_s)


def _answered(answers: Sequence[Answer | None], rest: Sequence[Answer | Exception]) -> Sequence[Answer | Exception]:
    """The answers, with those of the longer way in the empty places."""
    late = iter(rest)
    return [next(late) if answer is None else answer for answer in answers]
