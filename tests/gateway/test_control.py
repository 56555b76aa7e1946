"""Cancel, resume and dead letters over HTTP, with the worker's side done by hand."""

from __future__ import annotations

import base64
import hashlib

import asyncpg
import pytest
from ulid import ULID

from contracts import subjects
from contracts.artifacts import JSON, Submission
from contracts.topology import TOPOLOGY
from tests.gateway.conftest import Served
from tests.gateway.test_events import REF, followed, work
from tests.gateway.test_workflows import on_stream, submit
from tests.servers import Database
from workers.kit.runner import receive
from workers.kit.stores.drops import Claim, Completed, DeadLetter, Failed, NewWorkflow, NoClaim

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
FIRST, SECOND = list(TOPOLOGY.stages)[:2]


async def claimed(served: Served, workflow: str, stage: str) -> Claim | NoClaim:
    return await served.drops.claim(stage, "default", workflow, lease_s=30, attempts=5)


async def buried(served: Served, workflow: str, body: bytes = b"not JSON") -> DeadLetter:
    """A message that woke the second stage and can't be read."""
    message = await on_stream(served, workflow)
    letter = receive.letter(str(message.subject), message.headers, body, stage=SECOND, reason="not a CloudEvent")
    await served.drops.bury(letter)
    return letter


async def failed(served: Served) -> str:
    workflow = await submit(served)
    await work(served, workflow, FIRST, Completed(artifact=REF, media_type=JSON))
    await work(served, workflow, SECOND, Failed(error="no such model"))
    return workflow


async def test_a_deadline_is_kept_with_no_worker_there(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.publish.RELAY_S", 0.1)
    asked = _new(deadline_s=0)
    await served.state.reads.submit(asked, most=10)
    await on_stream(served, asked.id, "expired")
    shown = (await served.http.get(f"/v1/workflows/{asked.id}")).json()
    assert (shown["state"], shown["error"]) == ("expired", "its deadline has passed")


async def test_an_event_that_the_stream_refuses_lets_those_behind_it_pass(
    served: Served, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.publish.RELAY_S", 0.1)
    monkeypatch.setattr("gateway.publish.BATCH", 1)
    asked = [_new(), _new()]
    for new in asked:
        await served.state.reads.submit(new, most=10)
    connection = await asyncpg.connect(database.admin)
    await connection.execute("UPDATE events SET body = 'x' WHERE workflow_id = $1", asked[0].id)
    await connection.close()
    monkeypatch.setattr("gateway.publish.OLDER_S", 0.0)
    await on_stream(served, asked[1].id)


def _new(deadline_s: float = 60) -> NewWorkflow:
    return NewWorkflow(id=str(ULID()), tenant="default", submission=Submission(prompt="p"), deadline_s=deadline_s)


async def test_a_cancelled_workflow_starts_nothing_and_whoever_works_at_it_is_told(served: Served) -> None:
    workflow = await submit(served)
    nudges = await served.nc.subscribe(subjects.CANCELS)
    await served.nc.flush()
    answer = await served.http.post(f"/v1/workflows/{workflow}/cancel", json={"reason": "the wrong prompt"})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["ended_at"]
    assert (await nudges.next_msg(5)).subject == subjects.cancel("default", workflow)
    refused = await claimed(served, workflow, FIRST)
    assert isinstance(refused, NoClaim)
    assert refused.reason == "ended"
    events = await followed(served, workflow)
    assert [event.event.split(".")[3] for event in events] == ["submitted", "cancelled"]
    assert "the wrong prompt" in events[-1].data
    again = await served.http.post(f"/v1/workflows/{workflow}/cancel")
    assert (again.status_code, again.json()) == (200, answer.json())
    broken = await failed(served)
    refused_too = await served.http.post(f"/v1/workflows/{broken}/cancel")
    assert (refused_too.status_code, refused_too.json()["code"]) == (409, "workflow_ended")
    assert "failed at" in refused_too.json()["detail"]


async def test_a_failed_workflow_goes_on_where_it_failed_and_is_followed_past_its_first_end(served: Served) -> None:
    workflow = await failed(served)
    answer = await served.http.post(f"/v1/workflows/{workflow}/resume")
    assert (answer.status_code, answer.json()["state"], answer.json()["ended_at"]) == (200, "active", None)
    again = await served.http.post(f"/v1/workflows/{workflow}/resume")
    assert (again.status_code, again.json()["code"]) == (409, "workflow_not_failed")
    assert (await claimed(served, workflow, FIRST)).__class__ is NoClaim  # what was done is kept
    await work(served, workflow, SECOND, Failed(error="still no such model"))
    events = await followed(served, workflow)
    assert [event.event.split(".")[3] for event in events if ".workflow." in event.event] == [
        "submitted",
        "failed",
        "resumed",
        "failed",
    ]
    assert "still no such model" in events[-1].data


@pytest.mark.parametrize("verb", ["cancel", "resume"])
async def test_nobody_s_workflow_is_not_controlled(served: Served, verb: str) -> None:
    for workflow in (NOBODY, "nonsense"):
        answer = await served.http.post(f"/v1/workflows/{workflow}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (404, "workflow_not_found")


async def test_dead_letters_come_in_pages_and_are_shown_with_their_bytes(served: Served) -> None:
    workflow = await submit(served)
    letters = [await buried(served, workflow, body) for body in (b"one", b"two", b"\xff\x00three")]
    first = await served.http.get("/v1/deadletters", params={"limit": 2})
    assert f"cursor={first.json()['next']}" in first.headers["link"]
    second = (await served.http.get("/v1/deadletters", params={"cursor": first.json()["next"]})).json()
    assert second["next"] is None
    listed = [row["id"] for row in (*first.json()["items"], *second["items"])]
    assert listed == [letter.id for letter in reversed(letters)]
    text = (await served.http.get(f"/v1/deadletters/{letters[0].id}")).json()
    assert (text["body"], text["encoding"], text["kind"], text["stage"]) == ("one", "text", "message", SECOND)
    assert (text["workflow"], text["reason"], text["size"]) == (workflow, "not a CloudEvent", 3)
    raw = (await served.http.get(f"/v1/deadletters/{letters[2].id}")).json()
    assert (base64.b64decode(raw["body"]), raw["encoding"]) == (b"\xff\x00three", "base64")
    assert raw["sha256"] == hashlib.sha256(b"\xff\x00three").hexdigest()


async def test_an_edited_message_wakes_its_stage_and_the_letter_is_gone(served: Served) -> None:
    workflow = await submit(served)
    letter = await buried(served, workflow)
    address = f"/v1/deadletters/{letter.id}"
    unread = await served.http.post(f"{address}/resend")
    assert (unread.status_code, unread.json()["code"]) == (422, "deadletter_unreadable")
    assert "edit the body" in unread.json()["detail"]
    good = (await on_stream(served, workflow)).data or b""
    edited = await served.http.put(f"{address}/body", content=good)
    assert (edited.status_code, edited.json()["body"]) == (200, good.decode())
    wakes = await served.nc.jetstream().subscribe(subjects.wake(SECOND, "default", workflow), ordered_consumer=True)
    resent = await served.http.post(f"{address}/resend")
    assert (resent.status_code, resent.json()["workflow"]) == (202, workflow)
    await wakes.next_msg(5)
    gone = await served.http.get(address)
    assert (gone.status_code, gone.json()["code"]) == (404, "deadletter_not_found")


async def test_a_message_for_an_ended_workflow_is_not_sent_again_and_can_be_dropped(served: Served) -> None:
    workflow = await submit(served)
    letter = await buried(served, workflow, (await on_stream(served, workflow)).data or b"")
    await served.http.post(f"/v1/workflows/{workflow}/cancel")
    resent = await served.http.post(f"/v1/deadletters/{letter.id}/resend")
    assert (resent.status_code, resent.json()["code"]) == (409, "workflow_ended")
    assert (await served.http.delete(f"/v1/deadletters/{letter.id}")).status_code == 204
    assert (await served.http.delete(f"/v1/deadletters/{letter.id}")).status_code == 404
    assert (await served.http.get("/v1/deadletters")).json()["items"] == []


async def test_given_up_work_is_not_edited_and_resending_it_resumes_its_workflow(served: Served) -> None:
    workflow = await failed(served)
    letter = work_letter(workflow)
    await served.drops.bury(letter)
    edited = await served.http.put(f"/v1/deadletters/{letter.id}/body", content=b"{}")
    assert (edited.status_code, edited.json()["code"]) == (409, "deadletter_is_work")
    resent = await served.http.post(f"/v1/deadletters/{letter.id}/resend")
    assert (resent.status_code, resent.json()["workflow"]) == (202, workflow)
    assert (await served.http.get(f"/v1/workflows/{workflow}")).json()["state"] == "active"
    assert (await served.http.get(f"/v1/deadletters/{letter.id}")).status_code == 404


@pytest.mark.parametrize("after", ["", "cancel"])
async def test_work_that_was_resumed_leaves_no_letter_and_one_that_comes_late_is_done(
    served: Served, after: str
) -> None:
    workflow = await failed(served)
    await served.drops.bury(work_letter(workflow))
    assert (await served.http.post(f"/v1/workflows/{workflow}/resume")).status_code == 200
    assert (await served.http.get("/v1/deadletters")).json()["items"] == []
    await served.drops.bury(work_letter(workflow))
    if after:
        await served.http.post(f"/v1/workflows/{workflow}/{after}")
    state = (await served.http.get(f"/v1/workflows/{workflow}")).json()["state"]
    resent = await served.http.post(f"/v1/deadletters/{'f' * 32}/resend")
    assert (resent.status_code, resent.json()["workflow"]) == (202, workflow)
    assert (await served.http.get("/v1/deadletters")).json()["items"] == []
    assert (await served.http.get(f"/v1/workflows/{workflow}")).json()["state"] == state


async def test_dead_letters_of_one_workflow(served: Served) -> None:
    workflow, other = await submit(served), await submit(served)
    letter = await buried(served, workflow)
    await buried(served, other)
    listed = (await served.http.get("/v1/deadletters", params={"workflow": workflow})).json()["items"]
    assert [row["id"] for row in listed] == [letter.id]
    assert (await served.http.get("/v1/deadletters", params={"workflow": "a'b"})).status_code == 422


def work_letter(workflow: str) -> DeadLetter:
    return DeadLetter(
        id="f" * 32,
        tenant="default",
        workflow=workflow,
        stage=SECOND,
        subject=f"ql.evt.default.{workflow}.{FIRST}.completed.1",
        headers="{}",
        body=b"{}",
        sha256=hashlib.sha256(b"{}").hexdigest(),
        reason="no such model",
        kind="work",
    )


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("PUT", "/body"), ("POST", "/resend"), ("DELETE", "")], ids=lambda part: part
)
async def test_an_unknown_letter_is_a_problem(served: Served, method: str, path: str) -> None:
    answer = await served.http.request(method, f"/v1/deadletters/{'0' * 32}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "deadletter_not_found")


async def test_a_body_longer_than_a_message_is_refused(served: Served) -> None:
    letter = await buried(served, await submit(served))
    answer = await served.http.put(f"/v1/deadletters/{letter.id}/body", content=b"x" * 65_537)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
