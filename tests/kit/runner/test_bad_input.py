"""Hostile and broken messages: dead letters with their bytes, no worker stopped, the next workflow unharmed."""

from __future__ import annotations

import asyncio
import io

import asyncpg
import msgspec
import pytest

from contracts import cloudevents, subjects
from contracts.artifacts import JSON
from contracts.events import Input, Ref, StageCompleted, event
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner import small
from tests.kit.runner.small import SMALL, STAGES, Draft, Verdict
from tests.kit.runner.test_attempt import attempts, claim_of
from tests.servers import Database, s3_client
from workers.kit.runner import sweeper, work
from workers.kit.runner.attempt import Lost
from workers.kit.stores.drops import Claim, Completed, InputDrop, Retry
from workers.kit.stores.memory import MemoryArtifacts

OTHER = "01JABCDEFGHJKMNPQRSTVWXYZ0"
SUBJECT = f"ql.evt.{TENANT}.{OTHER}.draft.completed.1"


async def letters(database: Database) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database.admin)
    try:
        found: list[asyncpg.Record] = await connection.fetch("SELECT * FROM dead_letters ORDER BY stage")
        return found
    finally:
        await connection.close()


def headers(**changes: str) -> dict[str, str]:
    attributes = {
        "specversion": "1.0",
        "id": f"{OTHER}.draft.completed.1",
        "source": "/x",
        "type": "dev.quantumlayer.draft.completed.v1",
        "subject": SUBJECT,
    }
    return {f"ce-{name}": value for name, value in (attributes | changes).items() if value}


@pytest.mark.parametrize(
    ("sent", "body", "reason"),
    [
        (headers(), b"{not json \x00\xff", "the data is no StageCompleted"),
        (headers(type="com.example.other.v1"), b"{}", "no reader here knows the type"),
        (headers(), b'{"tenant":"default"}', "missing required field"),
        (headers(source=""), b"{}", "needs source"),
        ({}, b"", "needs specversion, id"),
        (headers(), b"x" * 200_000, "more than an event may have"),
    ],
)
async def test_poison_is_buried_and_the_next_workflow_is_unharmed(
    servers: Servers, database: Database, sent: dict[str, str], body: bytes, reason: str
) -> None:
    async with pipeline(servers, SMALL, STAGES, sweeps=False) as running:
        news = await running.nc.subscribe(f"ql.dead.{TENANT}.{OTHER}.*")
        await running.nc.jetstream().publish(SUBJECT, body, headers=sent or None)
        assert await running.end(await running.submit("p")) == "completed"
        told = {msgspec.json.decode((await news.next_msg(timeout=5)).data)["stage"] for _ in range(2)}
        assert told == {"check", "side"}  # both wake on draft
        found = await letters(database)
        assert [(row["stage"], row["body"]) for row in found] == [(name, body[:65536]) for name in ("check", "side")]
        assert all(reason in row["reason"] for row in found)
        # An ack follows the news that were waited for; without one the message would come again after 30 s.
        async with asyncio.timeout(10):
            while await unacked(running):  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.02)


async def drafted(servers: Servers, text: str) -> tuple[str, Ref]:
    """A workflow whose draft is committed, but whose event was never published."""
    async with pipeline(servers, SMALL, workers=0) as running:
        workflow = await running.submit(text)
        claim = await running.drops.claim("draft", TENANT, workflow, lease_s=45, attempts=5)
        assert isinstance(claim, Claim)
        ref = await running.artifacts.put(TENANT, msgspec.json.encode(Draft(text=text)))
        await running.drops.commit(claim, Completed(artifact=ref, media_type=JSON))
    return workflow, ref


async def test_an_event_with_a_sha256_that_was_never_written_is_buried_and_the_work_goes_on(
    servers: Servers, database: Database
) -> None:
    workflow, ref = await drafted(servers, "p")
    forged = StageCompleted(
        tenant=TENANT,
        workflow=workflow,
        drop="d",
        stage="draft",
        revision=1,
        artifact=msgspec.structs.replace(ref, sha256="0" * 64),
        media_type=JSON,
    )
    told = event(forged, stage="draft", outcome="completed", revision=1, time="2026-01-01T00:00:00Z")
    subject, sent, body = cloudevents.to_binary(cloudevents.to_structured(told))
    async with pipeline(servers, SMALL, STAGES, sweeps=False) as running:
        running.follow(workflow)
        await running.nc.jetstream().publish(subject, body, headers=sent)
        assert await running.end(workflow) == "completed"
    found = await letters(database)
    assert [row["stage"] for row in found] == ["check", "side"]
    assert all(f"draft wrote {ref.sha256}" in row["reason"] for row in found)


async def overwrite(servers: Servers, ref: Ref, body: bytes) -> None:
    await asyncio.to_thread(s3_client(servers.s3).put_object, servers.bucket, ref.key, io.BytesIO(body), len(body))


async def test_an_artifact_whose_bytes_changed_is_made_again_by_its_own_stage(
    servers: Servers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "UNPUBLISHED_S", 0)
    monkeypatch.setattr(work, "REARMED_S", 0.1)
    workflow, ref = await drafted(servers, "p")
    await overwrite(servers, ref, b"tampered")
    async with pipeline(servers, SMALL, STAGES, sweep_s=0.1) as running:
        running.follow(workflow)
        assert await running.end(workflow) == "completed"
        told = [event.subject for event in await running.reads.events(TENANT, workflow)]
        assert sum(".draft.completed." in subject for subject in told) == 1
        assert running.done("rearmed") >= 1
    assert await letters(database) == []


async def test_all_lost_inputs_are_found_at_once() -> None:
    good, gone = MemoryArtifacts(), []
    inputs = {}
    for stage, body in (("draft", Draft(text="d")), ("check", Verdict(good=True, of="d")), ("side", Draft(text="d"))):
        ref = await good.put(TENANT, msgspec.json.encode(body))
        told = Input(stage=stage, revision=1, sha256=ref.sha256)
        inputs[stage] = InputDrop(input=told, ref=ref, media_type=JSON)
    for stage in ("draft", "check"):
        missing = msgspec.structs.replace(inputs[stage].ref, key=f"artifacts/{TENANT}/nowhere/{stage}")
        inputs[stage] = msgspec.structs.replace(inputs[stage], ref=missing)
        gone.append(missing.key)
    made = await attempts(small.pack, "pack", good).make(claim_of("pack", **inputs))
    assert isinstance(made, Lost)
    assert set(made.stages) == {"draft", "check"}
    assert all(key in made.error for key in gone)


async def test_bytes_that_are_right_but_unreadable_are_not_lost() -> None:
    artifacts = MemoryArtifacts()
    ref = await artifacts.put(TENANT, b"[]")
    told = Input(stage="draft", revision=1, sha256=ref.sha256)
    claim = claim_of("check", draft=InputDrop(input=told, ref=ref, media_type=JSON))
    made = await attempts(small.accept, "check", artifacts).make(claim)
    assert isinstance(made, Retry)
    assert "an input can't be used" in made.error


async def unacked(running: Pipeline) -> int:
    infos = [await running.nc.jetstream().consumer_info(subjects.STREAM, stage) for stage in SMALL.stages]
    return sum((info.num_ack_pending or 0) + (info.num_pending or 0) for info in infos)
