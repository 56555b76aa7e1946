"""What the confirmed protocol is compared with: consume, put, insert, publish unanswered, ack. No claim, no outbox.

A message that comes twice does everything twice, and a crash in between loses the workflow.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from dataclasses import dataclass

import asyncpg
import msgspec
import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import subjects
from contracts.events import Ref
from contracts.subjects import EventSubject, parse_event
from contracts.topology import LIFECYCLE
from tests.flow.noop import PADDING, topology_of
from workers.kit.runner.process import HEALTH
from workers.kit.runner.pull import PullLoop
from workers.kit.settings import Settings, load
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.pg import open_pool

INSERT = """
    INSERT INTO drops (
        workflow_id, tenant, stage, revision, state, epoch, attempts, artifact_key, artifact_offset, artifact_length,
        artifact_sha256, created_at, updated_at
    ) VALUES ($1, $2, $3, 1, 'completed', 1, 1, $4, $5, $6, $7, now(), now()) ON CONFLICT DO NOTHING
"""
END = "UPDATE workflows SET state = 'completed', ended_at = now() WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Naive:
    """One step."""

    name: str
    last: bool
    nc: Client
    pool: asyncpg.Pool[asyncpg.Record]
    artifacts: S3Artifacts

    async def handle(self, message: Msg) -> None:
        """All of it, hoping for the best."""
        told = parse_event(message.subject)
        if message.data and told.stage != LIFECYCLE:
            await self.artifacts.get(msgspec.json.decode(message.data, type=Ref))
        ref = await self.artifacts.put(told.tenant, f"{told.workflow}{self.name}{PADDING}".encode())
        where = (ref.key, ref.offset, ref.length, ref.sha256)
        await self.pool.execute(INSERT, told.workflow, told.tenant, self.name, *where)
        await self._publish(told, self.name, msgspec.json.encode(ref))
        if self.last:
            await self.pool.execute(END, told.workflow)
            await self._publish(told, LIFECYCLE, b"")
        await message.ack()

    async def _publish(self, told: EventSubject, stage: str, body: bytes) -> None:
        subject = EventSubject(tenant=told.tenant, workflow=told.workflow, stage=stage, outcome="completed", revision=1)
        await self.nc.publish(str(subject), body)


async def _work(settings: Settings, stages: int) -> None:
    topology = topology_of(stages)
    nc = await nats.connect(settings.nats_url)
    pool = await open_pool(settings.database_url, 16)
    artifacts = S3Artifacts(settings.s3_url, settings.s3_bucket)
    loops = []
    for name in topology.stages:
        step = Naive(name, name == topology.last.name, nc, pool, artifacts)
        loops.append(PullLoop(nc, stream=subjects.STREAM, durable=name, slots=settings.slots, handle=step.handle))
        await loops[-1].start()

    async def answer(message: Msg) -> None:
        await message.respond(b"naive")

    await nc.subscribe(HEALTH, cb=answer)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    await asyncio.gather(*(loop.stop(5) for loop in loops))
    await nc.close()
    await pool.close()


def main() -> int:
    """The command line of `tests.bench.worker`, without its steps: a process works at all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=12)
    parser.add_argument("--sleep", type=float, default=0)
    uvloop.run(_work(load(), parser.parse_args().stages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
