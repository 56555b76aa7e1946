"""Subscriptions over HTTP: the keeper makes a durable of the tenant's own; nobody else's can be had or seen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from contracts.subjects import STREAM
from contracts.topology import TOPOLOGY
from tests.gateway.conftest import Served
from workers.keeper import subscriptions
from workers.keeper.subscriptions import serve
from workers.kit.runner.api import call

URL = "/v1/subscriptions"
WRONG: tuple[dict[str, object], ...] = (
    {"name": "a_b"},
    {"name": "A"},
    {"name": "a.b"},
    {"name": "a" * 33},
    {"name": "x", "from_sequence": 0},
    {"name": "x", "start": "new", "from_sequence": 3},
    {"name": "x", "from_sequence": 3, "since": "2026-01-01T00:00:00Z"},
    {"name": "x", "stages": ["nothing"]},
    {"name": "x", "stages": ["*"]},
    {"name": "x", "workflow": "*"},
    {"name": "x", "tenant": "other"},
    {"name": "x", "deliver_subject": "ql.ctl.default.w.cancel"},
)


async def told(served: Served, tenant: str = "default", *, stage: str = "packaging", workflow: str = "w1") -> None:
    await served.nc.jetstream().publish(f"ql.evt.{tenant}.{workflow}.{stage}.completed.1", b"{}")


async def pulled(served: Served, durable: str, most: int = 10) -> list[str]:
    subscription = await served.nc.jetstream().pull_subscribe_bind(durable=durable, stream=STREAM)
    try:
        return [message.subject for message in await subscription.fetch(most, timeout=0.3)]
    except TimeoutError:
        return []


async def test_the_documents_need_no_keeper_and_subscriptions_do(served: Served) -> None:
    answer = await served.http.get(URL)
    assert (answer.status_code, answer.json()["code"]) == (503, "events_unavailable")
    assert answer.headers["Retry-After"]
    document = (await served.http.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.1.0"
    schemas = {message["payload"]["$ref"].rsplit("/", 1)[1] for message in document["components"]["messages"].values()}
    for name in schemas:
        found = await served.http.get(f"/schemas/events/{name}.v1.json")
        assert found.status_code == 200
        assert found.json()["$id"] == f"/schemas/events/{name}.v1.json"
    assert (await served.http.get("/schemas/artifacts/Brief.v1.json")).status_code == 200
    assert (await served.http.get("/schemas/events/Nothing.v1.json")).json()["code"] == "schema_not_found"
    assert (await served.http.get("/schemas/events/..%2f..%2fsubjects.py")).status_code == 404


async def test_a_durable_is_made_listed_and_deleted(served: Served) -> None:
    await serve(served.nc)
    for tenant in ("default", "other"):
        await told(served, tenant)
    made = await served.http.post(URL, json={"name": "billing"})
    assert made.status_code == 201
    assert {key: made.json()[key] for key in ("durable", "stream", "filters", "waiting")} == {
        "durable": "default_billing",
        "stream": STREAM,
        "filters": ["ql.evt.default.>"],
        "waiting": 1,
    }
    assert (await served.http.post(URL, json={"name": "billing"})).json()["created"] == made.json()["created"]
    assert await pulled(served, "default_billing") == ["ql.evt.default.w1.packaging.completed.1"]
    (listed,) = (await served.http.get(URL)).json()["items"]
    assert (listed["name"], listed["waiting"], listed["unacknowledged"]) == ("billing", 0, 1)
    for body in WRONG:
        assert (await served.http.post(URL, json=body)).json()["code"] == "invalid_request", body
    other = await served.http.post(URL, json={"name": "billing", "stages": ["packaging"]})
    assert (other.status_code, other.json()["code"]) == (409, "name_taken")
    assert (await served.http.delete(f"{URL}/billing")).status_code == 204
    assert (await served.http.delete(f"{URL}/billing")).json()["code"] == "subscription_not_found"
    assert (await served.http.get(URL)).json() == {"items": []}


async def test_where_it_begins_and_what_it_hears(served: Served) -> None:
    await serve(served.nc)
    for workflow in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"):
        for stage in ("packaging", "documentation", "workflow"):
            await told(served, stage=stage, workflow=workflow)
    await asyncio.sleep(0.02)
    between = datetime.now(UTC)
    await asyncio.sleep(0.02)
    await told(served, workflow="late")
    one: dict[str, object] = {"workflow": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    trials: list[tuple[dict[str, object], int]] = [
        ({}, 7),
        ({"start": "new"}, 0),
        ({"start": "last_per_subject"}, 7),
        ({"from_sequence": 5}, 3),
        ({"since": between.isoformat()}, 1),
        (one, 3),
        ({"stages": ["packaging", "workflow"]}, 5),
        (one | {"stages": ["packaging", "workflow", "packaging"]}, 2),
        (one | {"from_sequence": 2}, 2),
    ]
    for wanted, count in trials:
        made = await served.http.post(URL, json=wanted | {"name": "here"})
        assert (made.status_code, made.json().get("waiting")) == (201, count), (wanted, made.text)
        assert len(await pulled(served, "default_here")) == count
        await served.http.delete(f"{URL}/here")


async def test_nobody_has_another_s_or_ours(served: Served) -> None:
    await serve(served.nc)
    for durable in ("other_theirs", "default_of_others_x"):
        config = {"durable_name": durable, "ack_policy": "explicit", "filter_subject": "ql.evt.other.>"}
        await call(served.nc, f"CONSUMER.CREATE.{STREAM}.{durable}", {"stream_name": STREAM, "config": config})
    assert (await served.http.get(URL)).json() == {"items": []}
    for name in ("theirs", "packaging"):
        assert (await served.http.delete(f"{URL}/{name}")).status_code == 404
    kept = set((await call(served.nc, f"CONSUMER.NAMES.{STREAM}"))["consumers"])
    assert kept >= {"other_theirs", "default_of_others_x", *TOPOLOGY.stages}


async def test_a_tenant_has_so_many_and_no_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MOST", 2)
    await serve(served.nc)
    asked = await asyncio.gather(*(served.http.post(URL, json={"name": f"n{n}"}) for n in range(4)))
    assert sorted(answer.status_code for answer in asked) == [201, 201, 409, 409]
    there = next(answer.json()["name"] for answer in asked if answer.status_code == 201)
    assert (await served.http.post(URL, json={"name": there})).status_code == 201
