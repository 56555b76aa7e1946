"""Drops of stages that are not ours: taken once, told once, and never met by the pipeline."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from contracts.artifacts import JSON, TAR_GZ
from contracts.topology import TOPOLOGY
from tests.gateway.conftest import Served
from tests.gateway.test_events import complete_all, followed, work
from tests.gateway.test_workflows import submit
from tests.servers import Database
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.drops import Claim, Completed, Failed
from workers.kit.stores.pg import open_pool
from workers.kit.stores.pg.pool import connected
from workers.kit.stores.pg.referenced import referenced

STAGE = "x_licence_header_check"


def drop(**changes: Any) -> dict[str, Any]:
    made = {"stage": STAGE, "revision": 1, "artifact": {"text": '{"missing": []}', "media_type": "application/json"}}
    return {**made, **changes}


async def add(served: Served, workflow: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = await served.http.post(f"/v1/workflows/{workflow}/drops", json=body)
    return answer.status_code, answer.json()


async def told(served: Served, workflow: str) -> list[str]:
    """The ids of all events of an ended workflow, in order."""
    return [json.loads(event.data)["id"] for event in await followed(served, workflow)]


async def test_a_drop_is_added_once_and_told_once(served: Served) -> None:
    workflow = await submit(served)
    made_from = [{"stage": "code_generation", "revision": 1, "sha256": "0" * 64}]
    first, again = [await add(served, workflow, drop(inputs=made_from)) for _ in range(2)]
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert first[1]["id"] == f"{workflow}.{STAGE}.1"
    got = await served.http.get(first[1]["artifact"]["address"])
    assert (got.text, got.headers["content-type"]) == ('{"missing": []}', "application/json")
    assert STAGE in [row["stage"] for row in (await served.http.get(f"/v1/workflows/{workflow}/drops")).json()["items"]]
    await complete_all(served, workflow)
    events = [json.loads(event.data) for event in await followed(served, workflow)]
    (event,) = [event for event in events if STAGE in event["type"]]
    assert event["type"] == f"dev.quantumlayer.{STAGE}.completed.v1"
    assert event["data"]["inputs"] == made_from
    assert event["subject"] == f"ql.evt.default.{workflow}.{STAGE}.completed.1"


async def test_the_first_drop_of_a_revision_stands(served: Served) -> None:
    workflow = await submit(served)
    await add(served, workflow, drop())
    status, problem = await add(served, workflow, drop(artifact={"text": "something else"}))
    assert (status, problem["code"]) == (409, "drop_exists")
    failed = {"stage": STAGE, "revision": 1, "outcome": "failed", "error": "no"}
    assert (await add(served, workflow, failed))[0] == 409
    assert (await add(served, workflow, {**failed, "revision": 2}))[0] == 201


async def test_a_large_artifact_is_sent_before_its_drop(served: Served) -> None:
    workflow, body = await submit(served), bytes(range(256)) * 8192
    digest = hashlib.sha256(body).hexdigest()
    wanted = drop(artifact={"sha256": digest, "size": len(body)})
    status, problem = await add(served, workflow, wanted)
    assert (status, problem["code"]) == (422, "artifact_missing")
    wrong = await served.http.put(f"/v1/artifacts/{digest}", content=body[:-1])
    assert (wrong.status_code, wrong.json()["code"]) == (422, "sha256_mismatch")
    for _ in range(2):
        assert (await served.http.put(f"/v1/artifacts/{digest}", content=body)).json()["size"] == len(body)
    short = drop(artifact={"sha256": digest, "size": 7})
    assert (await add(served, workflow, short))[1]["code"] == "artifact_missing"
    assert (await add(served, workflow, wanted))[0] == 201
    assert (await served.http.get(f"/v1/artifacts/{digest}")).content == body
    over = await served.http.put(f"/v1/artifacts/{digest}", content=bytes((16 << 20) + 1))
    assert (over.status_code, over.json()["code"]) == (413, "body_too_large")


BAD: tuple[dict[str, Any], ...] = (
    drop(stage="code_generation"),
    drop(stage="workflow"),
    drop(stage="x_"),
    drop(stage="x_a.completed.1"),
    drop(stage="X_A"),
    drop(stage="x_" + "a" * 61),
    drop(revision=0),
    drop(revision=1 << 40),
    drop(outcome="rejected"),
    drop(artifact=None),
    drop(artifact={"text": "x", "media_type": "text/html\r\nX: y"}),
    drop(artifact={"sha256": "../../x", "size": 1}),
    drop(artifact={"sha256": "0" * 64, "size": 1 << 40}),
    drop(error="completed, and why it failed"),
    drop(opens=2, target="code_generation"),
    drop(tenant="other"),
    drop(inputs=[{"stage": "a", "revision": 1, "sha256": "0" * 64}] * 51),
    {"stage": STAGE, "revision": 1, "outcome": "failed"},
)


async def test_what_is_no_drop_of_others_is_refused(served: Served) -> None:
    workflow = await submit(served)
    for body in BAD:
        status, problem = await add(served, workflow, body)
        assert (status, problem["code"]) == (422, "invalid_request"), body
    surrogate = json.dumps(drop(artifact={"text": "\ud800"})).encode()
    answer = await served.http.post(
        f"/v1/workflows/{workflow}/drops", content=surrogate, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {400, 422}
    for unknown in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense"):
        assert await add(served, unknown, drop()) == (404, (await add(served, unknown, drop()))[1])
    assert (await served.http.get(f"/v1/workflows/{workflow}/drops")).json()["items"] == []


async def test_the_pipeline_goes_on_as_if_there_were_none(served: Served) -> None:
    """One that failed neither ends the workflow nor is what a resume goes on from; joins wait for their own alone."""
    workflow = await submit(served)
    await add(served, workflow, {"stage": "x_bad", "revision": 1, "outcome": "failed", "error": "no\0thing"})
    await add(served, workflow, drop(revision=7))
    assert (await served.http.get(f"/v1/workflows/{workflow}")).json()["state"] == "active"
    await work(served, workflow, TOPOLOGY.first.name, Failed(error="on purpose"))
    await add(served, workflow, drop(revision=8))  # after its end too
    resumed = await served.http.post(f"/v1/workflows/{workflow}/resume")
    assert (resumed.status_code, resumed.json()["state"]) == (200, "active")
    for name in TOPOLOGY.stages:
        claim = await served.drops.claim(name, "default", workflow, lease_s=30, attempts=5)
        assert isinstance(claim, Claim), name
        assert claim.revision == 2
        assert not [found for found in (*claim.inputs, *claim.repair) if str(found).startswith("x_")]
        ref = await served.artifacts.put("default", name.encode())
        media = TAR_GZ if name == TOPOLOGY.last.name else JSON
        done = await served.drops.commit(claim, Completed(artifact=ref, media_type=media))
        await served.drops.published([await served.publisher.fact(event) for event in done.events])
    ids = await told(served, workflow)
    assert ids[-1] == f"{workflow}.workflow.completed.2"
    assert {f"{workflow}.{STAGE}.completed.{r}" for r in (7, 8)} | {f"{workflow}.x_bad.failed.1"} <= set(ids)


async def test_the_gateway_s_role_can_tell_and_change_nothing_else(served: Served, database: Database) -> None:
    workflow = await submit(served)
    await add(served, workflow, drop())
    connection = await asyncpg.connect(database.gateway)
    event = (
        "INSERT INTO events (workflow_id, id, tenant, stage, subject, body, created_at) "
        "VALUES ($1, $1 || $2, 'default', 'workflow', 'ql.evt.default.' || $1 || $2, '', now())"
    )
    foreign = (
        "INSERT INTO foreign_drops (workflow_id, stage, revision, tenant, state, attempts, artifact_sha256, "
        "artifact_length, body_sha256, created_at) VALUES ($1, $2, 1, $3, 'completed', 1, '', 0, '', now())"
    )
    tried: tuple[tuple[str, ...], ...] = (
        ("UPDATE foreign_drops SET state = 'failed'",),
        ("DELETE FROM foreign_drops",),
        *((event, workflow, f".{name}") for name in ("code_generation.completed.1", "x_other.completed.1")),
        (event, workflow, f".{STAGE}.completed.2"),
        (foreign, workflow, "packaging", "default"),
        (foreign, workflow, "x_a", "other"),
    )

    async def attempt(*statement: str) -> None:
        async with connection.transaction():
            await connection.execute("SELECT set_config('ql.tenant', 'default', true)")
            await connection.execute(*statement)

    try:
        for statement in tried:
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
                await attempt(*statement)
        async with connection.transaction():
            await connection.execute("SELECT set_config('ql.tenant', 'other', true)")
            assert await connection.fetchval("SELECT count(*) FROM foreign_drops") == 0
    finally:
        await connection.close()


async def test_an_event_that_was_not_published_is_the_first_stage_s_to_publish(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = await submit(served)
    monkeypatch.setattr(served.state.publisher, "soon", lambda events: None)
    await add(served, workflow, drop())
    (owed,) = await served.drops.unpublished(["workflow"], older_s=0, limit=10)
    assert owed.id == f"{workflow}.{STAGE}.completed.1"
    await served.drops.published([await served.publisher.fact(owed)])
    assert await served.drops.unpublished(["workflow"], older_s=0, limit=10) == []


@asynccontextmanager
async def silent_at_looks(url: str) -> AsyncIterator[str]:
    """The S3 server at `url`, which takes a look whether an object is there and never answers it."""
    parts = urlsplit(url)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, quiet: bool) -> None:
        while part := await reader.read(1 << 16):
            if not (quiet and part.startswith(b"HEAD ")):
                writer.write(part)
        writer.close()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(carry(reader, back, quiet=True), carry(there, writer, quiet=False))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    yield f"http://{parts.username}:{parts.password}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_an_s3_that_falls_silent_is_told_before_the_client_has_gone(served: Served, bucket: str) -> None:
    """The look holds a connection of the database, and the artifact's lock: it takes seconds at most."""
    workflow = await submit(served)
    async with silent_at_looks(served.settings.s3_url) as url:
        served.app.state.gateway = replace(served.state, artifacts=S3Artifacts(url, bucket))
        answer = await served.http.post(f"/v1/workflows/{workflow}/drops", json=drop())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    served.app.state.gateway = replace(served.state, artifacts=served.artifacts)
    assert (await add(served, workflow, drop()))[0] == 201


async def test_its_artifact_is_no_orphan(served: Served, database: Database) -> None:
    workflow = await submit(served)
    _, added = await add(served, workflow, drop())
    digest = added["artifact"]["sha256"]
    kept, loose = (f"artifacts/default/{name[:2]}/{name}" for name in (digest, "f" * 64))
    pool = await open_pool(database.worker, 1)
    async with connected(pool) as connection:
        assert await referenced(connection, [kept, loose]) == {kept}
    await pool.close()
