"""What the conformance suite needs of a store beside its port, and a small pipeline with joins and repairs."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from ulid import ULID

from contracts.artifacts import Brief, Submission
from contracts.cloudevents import from_structured
from contracts.events import Data, Ref
from contracts.topology import Stage, Topology
from workers.kit.stores.drops import (
    Claim,
    Committed,
    Completed,
    DropRow,
    Drops,
    NewWorkflow,
    NoClaim,
    Outcome,
    ReadModel,
    Rejected,
    StoredEvent,
    StreamLedger,
)

TENANT = "default"
SMALL = Topology(
    (
        Stage(name="plan", needs=(), produces=Brief),
        Stage(name="code", needs=("plan",), produces=Brief),
        Stage(name="suite", needs=("plan",), produces=Brief),
        Stage(name="check", needs=("code",), produces=Brief, repairs=("code",), rounds=2),
        Stage(name="scan", needs=("code",), produces=Brief, repairs=("code",), rounds=1),
        Stage(name="trial", needs=("check", "suite"), produces=Brief, repairs=("code", "suite"), rounds=1),
        Stage(name="pack", needs=("trial", "scan"), produces=Brief),
    )
)


class Store(Drops, StreamLedger, Protocol):
    """What a worker's process has."""


@dataclass(frozen=True)
class World:
    """A store under test."""

    drops: Store
    reads: ReadModel

    async def submit(
        self,
        *,
        tenant: str = TENANT,
        deadline_s: float = 60,
        key: str = "",
        prompt: str = "do it",
        most: int = 1000,
    ) -> str:
        new = NewWorkflow(
            id=str(ULID()),
            tenant=tenant,
            submission=Submission(prompt=prompt),
            deadline_s=deadline_s,
            idempotency_key=key,
            traceparent="00-1-2-01",
        )
        return (await self.reads.submit(new, most=most)).id

    async def look(
        self, stage: str, workflow: str, *, tenant: str = TENANT, lease_s: float = 30, attempts: int = 5
    ) -> Claim | NoClaim:
        takes = SMALL.ancestors(stage)
        return await self.drops.claim(stage, tenant, workflow, lease_s=lease_s, attempts=attempts, takes=takes)

    async def why(self, stage: str, workflow: str) -> str:
        """Why there is no claim."""
        found = await self.look(stage, workflow)
        assert isinstance(found, NoClaim), found
        return found.reason

    async def claim(self, stage: str, workflow: str, *, lease_s: float = 30, attempts: int = 5) -> Claim:
        found = await self.look(stage, workflow, lease_s=lease_s, attempts=attempts)
        assert isinstance(found, Claim), found
        return found

    async def commit(self, stage: str, workflow: str, outcome: Outcome) -> Committed:
        return await self.drops.commit(await self.claim(stage, workflow), outcome)

    async def complete(self, workflow: str, *stages: str) -> None:
        for stage in stages:
            claim = await self.claim(stage, workflow)
            done = await self.drops.commit(claim, completed(claim))
            assert done.state == "completed"

    async def drop(self, workflow: str, stage: str, revision: int = 1) -> DropRow:
        drops = await self.reads.drops(TENANT, workflow)
        return next(drop for drop in drops if (drop.stage, drop.revision) == (stage, revision))

    async def resume(self, workflow: str) -> None:
        """It goes on from the stage that failed."""
        done = await self.reads.resume(TENANT, workflow, deadline_s=60)
        assert done
        assert done.done

    async def state(self, workflow: str) -> str:
        found = await self.reads.workflow(TENANT, workflow)
        assert found
        return found.state

    async def told(self, workflow: str) -> list[str]:
        """The workflow's events in order, without its id."""
        return [event.id.partition(".")[2] for event in await self.reads.events(TENANT, workflow)]


def ref(text: str) -> Ref:
    return Ref(key=f"artifacts/{text}", offset=0, length=len(text), sha256=sha256(text.encode()).hexdigest())


def completed(claim: Claim) -> Completed:
    return Completed(artifact=ref(claim.drop), media_type="application/json")


def rejected(target: str, text: str = "report") -> Rejected:
    return Rejected(artifact=ref(text), media_type="application/json", target=target, findings=1)


def data_of(event: StoredEvent) -> Data:
    return from_structured(event.body).data
