"""The workers' store: each method is one short transaction on the pool."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from contracts.topology import Topology
from workers.kit.stores.drops import Claim, Committed, DeadLetter, NoClaim, Outcome, Remembered, StoredEvent

from . import claims, commits, outbox
from .pool import Pool, connected, transaction


@dataclass(frozen=True, slots=True)
class PgDrops:
    """Drops and StreamLedger for role ql_worker."""

    pool: Pool
    topology: Topology

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
        async with transaction(self.pool) as connection:
            return await claims.claim(connection, self.topology, stage, tenant, workflow, lease_s, attempts, takes)

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        async with connected(self.pool) as connection:
            return await claims.renew(connection, self.topology, claim, lease_s)

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        async with transaction(self.pool) as connection:
            return await commits.commit(connection, self.topology, claim, outcome)

    async def release(self, claim: Claim) -> None:
        async with connected(self.pool) as connection:
            await claims.release(connection, claim)

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
            await outbox.bury(connection, letter)

    async def remembered(self) -> Remembered:
        async with connected(self.pool) as connection:
            return await outbox.remembered(connection)

    async def adopt(self, created: str, *, since_s: float) -> int:
        async with transaction(self.pool) as connection:
            return await outbox.adopt(connection, created, since_s)
