"""Lists: pages that follow each other whatever is written meanwhile, and lines of JSON; what nobody is sent twice."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from hashlib import sha256

import asyncpg
import pytest

from gateway import pages
from gateway.conditional import has
from gateway.pages import NDJSON, wants_lines
from tests.gateway.conftest import Served
from tests.gateway.test_workflows import PROMPT
from tests.servers import Database

LINES = {"Accept": NDJSON}
CALLED = """
    INSERT INTO usage (
        tenant, workflow_id, stage, task, question, outcome, role, model, provider, tokens_in, tokens_out, cost,
        latency_ms, created_at
    ) VALUES ('default', 'w', 's', 't', '', 'answered', $1, 'a/x', 'a', 1, 1, 0, 7, now() - $2::interval)
"""
SINCE: tuple[dict[str, str], ...] = ({}, {"since": "2026-01-01T00:00:00Z"})
BOUNDED = ("/v1/webhooks", "/v1/stages", "/v1/llm/switches", "/v1/llm/roles", "/v1/llm/arms")
PAGED = ("/v1/workflows", "/v1/deadletters", "/v1/llm/calls")


async def made(served: Served, count: int) -> list[str]:
    asked = [served.http.post("/v1/workflows", json={"prompt": f"{PROMPT} Number {n}."}) for n in range(count)]
    return [answer.json()["id"] for answer in await asyncio.gather(*asked)]


async def test_pages_are_not_shifted_by_what_is_written_between_them(served: Served) -> None:
    there = set(await made(served, 5))
    address, told = "/v1/workflows?limit=2&state=active", []
    while address:
        answer = await served.http.get(address)
        told += [row["id"] for row in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url", "")
        assert bool(address) == bool(answer.json()["next"])
        await made(served, 2)  # newer than every page
    assert (len(told), set(told)) == (5, there)
    assert told == sorted(told, reverse=True)


async def test_lines_are_everything_and_are_read_a_part_at_a_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await made(served, 7)
    monkeypatch.setattr(pages, "MOST", 3)
    async with served.http.stream("GET", "/v1/workflows", headers=LINES) as answer:
        assert answer.headers["content-type"] == NDJSON
        assert "content-length" not in answer.headers
        parts = [part.count(b"\n") async for part in answer.aiter_raw()]
    assert (sum(parts), max(parts)) == (7, 3)
    rows = (await served.http.get("/v1/workflows", params={"limit": 5}, headers=LINES)).text.splitlines()
    assert [json.loads(row)["id"] for row in rows] == sorted(there, reverse=True)[:5]
    page = (await served.http.get("/v1/workflows", params={"limit": 5})).json()
    assert [json.loads(row) for row in rows] == page["items"]
    rest = await served.http.get("/v1/workflows", params={"cursor": page["next"]}, headers=LINES)
    assert len(rest.text.splitlines()) == 2


async def test_every_list_is_sent_as_lines_and_refuses_a_cursor_that_is_none(served: Served) -> None:
    (workflow,) = await made(served, 1)
    drops = f"/v1/workflows/{workflow}/drops"
    for address in (*PAGED, *BOUNDED, drops):
        whole, lines = [await served.http.get(address, headers=accept) for accept in ({}, LINES)]
        assert [json.loads(line) for line in lines.text.splitlines()] == whole.json()["items"], address
        assert [answer.headers["vary"] for answer in (whole, lines)] == ["Accept", "Accept"]
    for address in (*PAGED, drops):
        bad = await served.http.get(address, params={"cursor": "no/place"})
        assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request"), address


async def test_drops_come_in_pages_oldest_first(served: Served) -> None:
    (workflow,) = await made(served, 1)
    address = f"/v1/workflows/{workflow}/drops"
    for stage in ("x_a", "x_b", "x_c"):
        added = await served.http.post(address, json={"stage": stage, "revision": 1, "artifact": {"text": stage}})
        assert added.status_code == 201
    first = await served.http.get(address, params={"limit": 2})
    second = await served.http.get(first.links["next"]["url"])
    assert [drop["stage"] for answer in (first, second) for drop in answer.json()["items"]] == ["x_a", "x_b", "x_c"]
    assert second.json()["next"] is None


async def test_what_a_client_has_is_not_sent_again_until_it_changes(served: Served) -> None:
    (workflow,) = await made(served, 1)
    digest = sha256(b"bytes").hexdigest()
    body = {"stage": "x_a", "revision": 1, "artifact": {"text": "bytes"}}
    assert (await served.http.post(f"/v1/workflows/{workflow}/drops", json=body)).status_code == 201
    state = f"/v1/workflows/{workflow}"
    for address in (
        state,
        "/v1/workflows",
        "/v1/stages",
        "/asyncapi.json",
        "/schemas/events/StageCompleted.v1.json",
        f"/v1/artifacts/{digest}",
    ):
        etag = (await served.http.get(address)).headers["etag"]
        again = await served.http.get(address, headers={"If-None-Match": f'"other", W/{etag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag), address
        assert (await served.http.get(address, headers={"If-None-Match": '"other"'})).status_code == 200
    had = (await served.http.get(state)).headers["etag"]
    await served.http.post(f"{state}/cancel")
    changed = await served.http.get(state, headers={"If-None-Match": had})
    assert (changed.status_code, changed.json()["state"]) == (200, "cancelled")


@pytest.mark.parametrize(
    ("accept", "lines"),
    [
        ("", False),
        ("*/*", False),
        (NDJSON, True),
        ("Application/X-NDJSON; charset=utf-8", True),
        (f"application/json, {NDJSON}", True),
        (f"application/json, {NDJSON};q=0.5", False),
        (f"{NDJSON};q=0", False),
        (f"{NDJSON};q=much", False),
    ],
)
def test_lines_are_sent_to_who_asks_for_them(accept: str, lines: bool) -> None:
    assert wants_lines(accept) is lines


@pytest.mark.parametrize(
    ("given", "known"), [("", False), ("*", True), ('"a"', True), ('"b", W/"a"', True), ('"ab"', False), ("a", False)]
)
def test_an_etag_is_known_by_its_whole_name(given: str, known: bool) -> None:
    assert has(given, '"a"') is known


async def test_a_role_s_health_is_of_the_last_30_days_unless_more_is_asked_for(
    served: Served, database: Database
) -> None:
    owner = await asyncpg.connect(database.admin)
    for role, days in (("young", 29), ("old", 31)):
        await owner.execute(CALLED, role, timedelta(days=days))
    await owner.close()
    told = [(await served.http.get("/v1/llm/roles", params=since)).json()["items"] for since in SINCE]
    assert [[one["role"] for one in roles] for roles in told] == [["young"], ["old", "young"]]
    wrong = await served.http.get("/v1/llm/roles", params={"since": "7"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")
