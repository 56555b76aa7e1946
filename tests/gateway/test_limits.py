"""How much one tenant may ask, and what everybody is told about it."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from gateway import limits
from gateway.app import create_app
from gateway.limits import Quota
from gateway.publish import Publisher
from tests.gateway.conftest import Served


async def test_a_tenant_is_told_its_quota_and_refused_above_it(served: Served) -> None:
    app = create_app(served.settings.model_copy(update={"tenant_requests_minute": 2}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http,
    ):
        answers = [await http.get("/v1/webhooks") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"requests";q=2;w=60'}
        left = [answer.headers["ratelimit"].partition(";t=") for answer in answers]
        assert [name for name, _, _ in left] == ['"requests";r=1', '"requests";r=0', '"requests";r=0']
        assert all(0 < int(seconds) <= 60 for _, _, seconds in left)
        assert answers[2].json()["code"] == "too_many_requests"
        assert answers[2].headers["retry-after"] == left[2][2]
        assert (await http.get("/livez")).status_code == 200  # a probe is nobody's


def test_no_tenant_takes_another_s_quota() -> None:
    quota = Quota(1)
    assert [quota.take(tenant)[0] for tenant in ("a", "b", "a", "b")] == [0, 0, -1, -1]


def test_after_a_minute_all_of_it_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WINDOW_S", 0.01)
    quota = Quota(1)
    assert [quota.take("a")[0] for _ in range(2)] == [0, -1]
    time.sleep(0.02)
    assert quota.take("a")[0] == 0


METHODS = (
    ("DELETE", "/v1/workflows", "GET, POST"),
    ("POST", f"/v1/artifacts/{'0' * 64}", "GET, PUT"),
    ("PATCH", "/v1/llm/switches/openai", "DELETE, PUT"),
)
WRONG = ({"prompt": "Books.", "budget": True}, {"prompt": "Books.", "budget": "5"}, {"prompt": 5})


async def test_what_is_refused_is_told_what_would_be_taken(served: Served) -> None:
    for method, address, methods in METHODS:
        answer = await served.http.request(method, address)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
    for body in WRONG:
        assert (await served.http.post("/v1/workflows", json=body)).status_code == 422, body
    for since in ("0.5", "1700000000", "yesterday"):
        assert (await served.http.get("/v1/usage", params={"since": since})).status_code == 422, since
    assert (await served.http.get("/v1/usage", params={"since": "2026-01-31T12:00:00Z"})).status_code == 200


async def test_what_ends_the_publisher_is_raised_when_the_gateway_stops(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publisher catches what it knows of; here it meets something else."""

    async def broken(self: Publisher) -> None:
        raise LookupError("nobody thought of it")

    monkeypatch.setattr(Publisher, "run", broken)
    app = create_app(served.settings)
    with pytest.raises(LookupError, match="nobody thought of it"):
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)
