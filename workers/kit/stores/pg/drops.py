"""The workers' store: each method is one short transaction on the pool, or its share of one."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from contracts.topology import Topology
from workers.kit.stores.asks import Asks
from workers.kit.stores.drops import (
    Claim,
    Committed,
    DeadLetter,
    DropRow,
    LetterWriter,
    NoClaim,
    Outcome,
    Remembered,
    StoredEvent,
)
from workers.kit.stores.handover import Heir
from workers.kit.stores.stream import History

from . import admission, at_once, claims, commits, forks, letters, outbox, ranks, stream
from .group import Group
from .lost import rearm
from .pool import Pool, connected, transaction
from .runnable import on_duty, runnable

PAUSED = "SELECT stage FROM pauses"


class PgDrops:
    """Drops and StreamLedger for role ql_worker. Claims made together share a transaction; so do commits, renewals."""

    __slots__ = ("_claims", "_clock", "_commits", "_long_claims", "_long_commits", "_renewals", "pool", "topology")

    def __init__(self, pool: Pool, topology: Topology) -> None:
        self.pool = pool
        self.topology = topology
        self._clock = at_once.Clock(datetime.now(UTC), time.monotonic())  # until the first claim says better
        # A claim whose caller has gone is handed back; such a commit stands, and the sweeper tells of it, but what was
        # claimed with it is handed back.
        self._claims: Group[claims.Asked, Claim | NoClaim | None] = Group(
            self._claim, key=_of_claim, orphan=self._hand_back
        )
        self._long_claims: Group[claims.Asked, Claim | NoClaim] = Group(
            self._claim_long, key=_of_claim, orphan=self._hand_back
        )
        self._commits: Group[commits.Done, Committed | None] = Group(self._commit, key=_of_commit, orphan=self._hand_on)
        self._long_commits: Group[commits.Done, Committed] = Group(self._commit_long, key=_of_commit)
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
        letter: LetterWriter | None = None,
    ) -> Claim | NoClaim:
        asked = claims.Asked(stage, tenant, workflow, lease_s, attempts, takes, letter)
        return await self._claims.ask(asked) or await self._long_claims.ask(asked)

    async def _claim(self, batch: Sequence[claims.Asked]) -> Sequence[Claim | NoClaim | None]:
        async with connected(self.pool) as connection:
            answers, clock = await at_once.claim(connection, self.topology, batch)
        self._clock = clock or self._clock
        return answers

    async def _claim_long(self, batch: Sequence[claims.Asked]) -> Sequence[Claim | NoClaim | Exception]:
        async with transaction(self.pool) as connection:
            return await claims.claim(connection, self.topology, batch)

    async def _hand_back(self, _: claims.Asked, found: Claim | NoClaim | None) -> None:
        if isinstance(found, Claim):
            await self.release(found)

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        return await self._renewals.ask((claim, lease_s))

    async def _renew(self, batch: Sequence[tuple[Claim, float]]) -> Sequence[bool]:
        async with connected(self.pool) as connection:
            return await claims.renew(connection, self.topology, batch)

    async def commit(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter | None = None, heirs: Sequence[Heir] = ()
    ) -> Committed:
        done = commits.Done(claim, outcome, letter, heirs)
        return await self._commits.ask(done) or await self._long_commits.ask(done)

    async def _commit(self, batch: Sequence[commits.Done]) -> Sequence[Committed | None]:
        async with connected(self.pool) as connection:
            return await at_once.commit(connection, self.topology, batch, self._clock.now())

    async def _commit_long(self, batch: Sequence[commits.Done]) -> Sequence[Committed | Exception]:
        async with transaction(self.pool) as connection:
            return await commits.commit(connection, self.topology, batch)

    async def _hand_on(self, _: commits.Done, found: Committed | None) -> None:
        for claim in found.handed if found else ():
            await self.release(claim)

    async def disown(self, claim: Claim, heirs: Sequence[Heir]) -> None:
        async with connected(self.pool) as connection:
            await claims.disown(connection, claim, [heir.stage for heir in heirs])

    async def asked(self, tenant: str, workflow: str) -> Asks:
        async with connected(self.pool) as connection:
            return await forks.asked(connection, tenant, workflow)

    async def recall(self, tenant: str, memo: str) -> DropRow | None:
        async with connected(self.pool) as connection:
            return await forks.recall(connection, tenant, memo)

    async def release(self, claim: Claim, *, after_s: float = 0) -> None:
        async with connected(self.pool) as connection:
            await claims.release(connection, claim, after_s)

    async def rearm(self, claim: Claim, lost: Collection[str], *, after_s: float) -> bool:
        async with transaction(self.pool) as connection:
            return await rearm(connection, self.topology, claim, lost, after_s)

    async def admit(self, *, most: int, limit: int) -> Sequence[StoredEvent]:
        async with transaction(self.pool) as connection:
            return await admission.admit(connection, most, limit)

    async def unpublished(
        self, stages: Sequence[str], *, older_s: float, limit: int, without: Collection[str] = ()
    ) -> Sequence[StoredEvent]:
        async with connected(self.pool) as connection:
            return await outbox.unpublished(connection, stages, older_s, limit, without)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        async with connected(self.pool) as connection:
            await outbox.published(connection, events)

    async def runnable(
        self, stage: str, *, absent_s: float | None, limit: int, takes: Collection[str] = ()
    ) -> Sequence[tuple[str, str]]:
        async with connected(self.pool) as connection:
            return await runnable(connection, self.topology, stage, takes, absent_s, limit)

    async def on_duty(self, duty: str, *, for_s: float) -> bool:
        async with connected(self.pool) as connection:
            return await on_duty(connection, duty, for_s)

    async def ranks(self, process: str, stages: Sequence[str], *, for_s: float) -> Mapping[str, int]:
        async with connected(self.pool) as connection:
            return await ranks.ranks(connection, process, stages, for_s)

    async def leave(self, process: str) -> None:
        async with connected(self.pool) as connection:
            await connection.execute(ranks.LEAVE, process)

    async def paused(self) -> frozenset[str]:
        async with connected(self.pool) as connection:
            return frozenset(record["stage"] for record in await connection.fetch(PAUSED))

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        async with transaction(self.pool) as connection:
            return await commits.expire(connection, limit)

    async def bury(self, letter: DeadLetter) -> None:
        async with connected(self.pool) as connection:
            await letters.bury(connection, letter)

    async def remembered(self) -> Remembered:
        async with connected(self.pool) as connection:
            return await stream.remembered(connection)

    async def adopt(self, created: str, was: str, *, first_seq: int, again_s: float) -> bool:
        async with connected(self.pool) as connection:
            return await stream.adopt(connection, created, was, first_seq, again_s)

    async def revive(self) -> int:
        async with connected(self.pool) as connection:
            return await stream.revive(connection)

    async def history(self, *, since_s: float, limit: int) -> History | None:
        async with connected(self.pool) as connection:
            return await stream.history(connection, since_s, limit)

    async def resent(self, history: History, refused: Collection[str] = ()) -> None:
        async with connected(self.pool) as connection:
            await stream.resent(connection, history, refused)


def _of_claim(asked: claims.Asked) -> str:
    return asked.workflow


def _of_commit(done: commits.Done) -> str:
    return done.claim.workflow
