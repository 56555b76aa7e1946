"""The closed loop for our own pipeline: submits like a gateway, hears ends on `ql.res`. One JSON argument, a Load."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field

import msgspec
import nats
import uvloop
from nats.aio.msg import Msg
from ulid import ULID

from contracts.artifacts import Submission
from contracts.subjects import parse_event
from tests.bench import loop
from tests.flow.noop import TENANT
from workers.kit.runner.publish import Publisher
from workers.kit.stores.drops import NewWorkflow
from workers.kit.stores.pg import PgReads, open_pool

UNBOUNDED = 1 << 30


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Where, and how much."""

    nats: str
    gateway: str
    in_flight: int
    warm_up: int
    patience_s: float
    tenant_active: int
    ramp_s: float = 0


@dataclass(slots=True)
class Ends:
    """How workflows ended, as the bus tells it."""

    waited: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    async def heard(self, message: Msg) -> None:
        """A lifecycle event was republished."""
        parts = parse_event(message.subject.replace("ql.res.", "ql.evt.", 1))
        end = self.waited.get(parts.workflow)
        if parts.outcome != "submitted" and end is not None and not end.done():
            end.set_result(parts.outcome)

    async def of(self, workflow: str) -> str:
        """Wait for it; `expect` was called before it was submitted."""
        try:
            return await self.waited[workflow]
        finally:
            del self.waited[workflow]

    def expect(self, workflow: str) -> None:
        """From now on."""
        self.waited[workflow] = asyncio.get_running_loop().create_future()


async def submit(reads: PgReads, publisher: Publisher, ends: Ends, tenant_active: int) -> str:
    """A new workflow's id; stored and on the bus."""
    new = NewWorkflow(id=str(ULID()), tenant=TENANT, submission=Submission(prompt="nothing"), deadline_s=3600)
    ends.expect(new.id)
    submitted = await reads.submit(new, most=tenant_active)
    await reads.published([await publisher.fact(event) for event in submitted.events])
    return new.id


async def drive(load: Load) -> None:
    """Connect as a gateway does, and run the loop."""
    pool = await open_pool(load.gateway, 8)
    nc = await nats.connect(load.nats)
    reads, ends = PgReads(pool), Ends()
    publisher = Publisher(nc, reads)
    await nc.subscribe(
        "ql.res.*.*.workflow.*.*", cb=ends.heard, pending_msgs_limit=UNBOUNDED, pending_bytes_limit=UNBOUNDED
    )

    async def one() -> bool:
        return await ends.of(await submit(reads, publisher, ends, load.tenant_active)) == "completed"

    try:
        await loop.run(one, load.in_flight, load.warm_up, load.patience_s, load.ramp_s)
    finally:
        await nc.close()
        await pool.close()


if __name__ == "__main__":
    uvloop.run(drive(msgspec.json.decode(sys.argv[1], type=Load)))
