"""Submissions under load: none that was accepted is lost, and what can't be taken is told so."""

from __future__ import annotations

import asyncio

import pytest

from contracts.subjects import STREAM
from gateway.routes import workflows
from tests.gateway.conftest import Served
from tests.gateway.load import submissions


async def events_on_stream(served: Served) -> int:
    """Of the workflows: other messages stand there too, a launcher's probe for one."""
    info = await served.nc.jetstream().stream_info(STREAM, subjects_filter="ql.evt.>")
    return sum((info.state.subjects or {}).values())


async def test_none_of_many_submissions_is_lost(served: Served) -> None:
    load = await submissions(served.url, rate=200, seconds=2, connections=16)
    assert dict(load.statuses) == {202: 400}
    assert len(set(load.ids)) == 400
    for _ in range(200):
        if await events_on_stream(served) == 400:
            break
        await asyncio.sleep(0.05)
    assert await events_on_stream(served) == 400
    listed: set[str] = set()
    cursor = ""
    while cursor is not None:
        page = (await served.http.get("/v1/workflows", params={"limit": 200, "cursor": cursor})).json()
        listed |= {row["id"] for row in page["items"]}
        cursor = page["next"]
    assert listed == set(load.ids)


async def test_more_at_once_than_there_is_room_for_is_answered_with_when_to_come_back(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = served.state.submissions
    monkeypatch.setattr(room, "free", 0)
    answer = await served.http.post("/v1/workflows", json={"prompt": "A library of books."})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "1")
    monkeypatch.setattr(room, "free", workflows.WAITING)
    assert (await served.http.post("/v1/workflows", json={"prompt": "A library of books."})).status_code == 202
