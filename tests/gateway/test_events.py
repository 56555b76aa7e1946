"""Following a workflow over Server-Sent Events, artifacts and capsules: with the worker's side done by hand."""

from __future__ import annotations

import hashlib
import json

import httpx_sse

from contracts.artifacts import JSON, TAR_GZ, Brief, Docs, File, SourceTree, TestSuite, encode
from contracts.events import Ref
from contracts.topology import TOPOLOGY
from tests.gateway.conftest import Served
from tests.gateway.test_workflows import submit
from workers.kit.stores.drops import CapsuleHead, Claim, Completed, Failed, Outcome

REF = Ref(key="artifacts/default/00/x", offset=0, length=1, sha256="0" * 64)


async def work(served: Served, workflow: str, stage: str, outcome: Outcome) -> None:
    claim = await served.drops.claim(stage, "default", workflow, lease_s=30, attempts=5)
    assert isinstance(claim, Claim), claim
    committed = await served.drops.commit(claim, outcome)
    await served.drops.published([await served.publisher.fact(event) for event in committed.events])


async def complete_all(served: Served, workflow: str, archive: bytes = b"not really a tar.gz, but bytes") -> bytes:
    """Every stage completed, with a real source tree and an archive; the archive."""
    bodies = {
        "code_generation": SourceTree(files=(File(path="src/a.py", text="A = 1\n"),)),
        "test_generation": TestSuite(files=(), tests=()),
        "documentation": Docs(files=()),
    }
    for name in TOPOLOGY.stages:
        body = encode(bodies[name])[0] if name in bodies else b"{}"
        if name == TOPOLOGY.last.name:
            ref = await served.artifacts.put("default", archive, key=f"capsules/default/{workflow}.tar.gz")
            head = CapsuleHead(name="books", grade="A", reasons=("all is well",))
            await work(served, workflow, name, Completed(artifact=ref, media_type=TAR_GZ, capsule=head))
        else:
            ref = await served.artifacts.put("default", body)
            await work(served, workflow, name, Completed(artifact=ref, media_type=JSON))
    return archive


async def followed(served: Served, workflow: str, last: str = "", query: str = "") -> list[httpx_sse.ServerSentEvent]:
    headers = {"Last-Event-ID": last} if last else {}
    async with httpx_sse.aconnect_sse(
        served.http, "GET", f"/v1/workflows/{workflow}/events{query}", headers=headers
    ) as source:
        assert source.response.status_code == 200
        return [event async for event in source.aiter_sse() if event.event != "progress" and event.event != "message"]


async def test_the_whole_history_comes_in_order_and_the_stream_ends_with_the_workflow(served: Served) -> None:
    workflow = await submit(served)
    await complete_all(served, workflow)
    events = await followed(served, workflow)
    assert [event.event.split(".")[2] for event in events] == ["workflow", *TOPOLOGY.stages, "workflow"]
    end = json.loads(events[-1].data)
    assert end["type"] == "dev.quantumlayer.workflow.completed.v1"
    assert end["data"]["address"] == f"/v1/workflows/{workflow}/capsule"


async def test_a_client_that_comes_back_gets_what_it_has_not_seen(served: Served) -> None:
    workflow = await submit(served)
    await complete_all(served, workflow)
    events = await followed(served, workflow)
    again = await followed(served, workflow, events[4].id)
    assert [event.data for event in again] == [event.data for event in events[5:]]
    elsewhere = await followed(served, workflow, "12345-7")
    assert [event.data for event in elsewhere] == [event.data for event in events]
    sequence = int(events[6].id.partition("-")[2])
    begun = await followed(served, workflow, query=f"?from_sequence={sequence}")
    assert [event.data for event in begun] == [event.data for event in events[6:]]
    both = await followed(served, workflow, events[4].id, query=f"?from_sequence={sequence}")
    assert [event.data for event in both] == [event.data for event in events[5:]]


async def test_a_failed_workflow_tells_its_error_and_has_no_capsule(served: Served) -> None:
    workflow = await submit(served)
    await work(served, workflow, TOPOLOGY.first.name, Failed(error="I can't write poems; I can write REST APIs."))
    events = await followed(served, workflow)
    assert json.loads(events[-1].data)["data"]["error"].startswith("I can't write poems")
    shown = (await served.http.get(f"/v1/workflows/{workflow}")).json()
    assert (shown["state"], shown["error"]) == ("failed", "I can't write poems; I can write REST APIs.")
    capsule = await served.http.get(f"/v1/workflows/{workflow}/capsule")
    assert (capsule.status_code, capsule.json()["code"]) == (409, "no_capsule")
    assert "poems" in capsule.json()["detail"]


async def test_capsule_artifact_and_file_are_served_with_their_hash(served: Served) -> None:
    workflow = await submit(served)
    archive = await complete_all(served, workflow)
    capsule = await served.http.get(f"/v1/workflows/{workflow}/capsule")
    assert capsule.content == archive
    assert capsule.headers["etag"] == f'"{hashlib.sha256(archive).hexdigest()}"'
    again = await served.http.get(
        f"/v1/workflows/{workflow}/capsule", headers={"If-None-Match": capsule.headers["etag"]}
    )
    assert again.status_code == 304
    drops = (await served.http.get(f"/v1/workflows/{workflow}/drops")).json()["items"]
    tree = next(drop for drop in drops if drop["stage"] == "code_generation")
    body = (await served.http.get(tree["artifact"]["address"])).content
    assert hashlib.sha256(body).hexdigest() == tree["artifact"]["sha256"]
    file = await served.http.get(f"/v1/workflows/{workflow}/files/src/a.py")
    assert (file.text, file.headers["x-content-type-options"]) == ("A = 1\n", "nosniff")
    for path in ("../../etc/passwd", "src/b.py", "%00"):
        assert (await served.http.get(f"/v1/workflows/{workflow}/files/{path}")).status_code == 404


async def test_a_damaged_artifact_is_a_problem_not_other_bytes(served: Served) -> None:
    workflow = await submit(served)
    brief = Brief(name="b", title="B", summary="", kind="library", language="python", statements=())
    ref = await served.artifacts.put("default", encode(brief)[0])
    await work(served, workflow, TOPOLOGY.first.name, Completed(artifact=ref, media_type=JSON))
    await served.artifacts.put("default", b"x" * ref.length, key=ref.key)
    answer = await served.http.get(f"/v1/artifacts/{ref.sha256}")
    assert (answer.status_code, answer.json()["code"]) == (410, "artifact_lost")


async def test_a_follower_survives_what_is_no_event_and_progress_with_line_breaks(served: Served) -> None:
    workflow = await submit(served)
    await served.nc.jetstream().publish(f"ql.evt.default.{workflow}.frd_generation.completed.1", b"not JSON")
    seen: list[httpx_sse.ServerSentEvent] = []
    async with httpx_sse.aconnect_sse(served.http, "GET", f"/v1/workflows/{workflow}/events") as source:
        async for event in source.aiter_sse():
            seen.append(event)
            if event.event == "dev.quantumlayer.workflow.submitted.v1":  # by now it is listened for progress
                forged = b"{}\n\nevent: dev.quantumlayer.workflow.completed.v1\ndata: {}\n\n"
                await served.nc.publish(f"ql.live.default.{workflow}.packaging", forged)
                await work(served, workflow, TOPOLOGY.first.name, Failed(error="no"))
    assert [event.event for event in seen if event.event.startswith("dev.")] == [
        "dev.quantumlayer.workflow.submitted.v1",
        "dev.quantumlayer.prompt_enhancement.failed.v1",
        "dev.quantumlayer.workflow.failed.v1",
    ]
    assert [event.data.count("completed") for event in seen if event.event == "progress"] == [1]
