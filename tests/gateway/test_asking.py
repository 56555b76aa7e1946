"""Models through the gateway and `ql llm` where no router answers, and what a call's note says."""

from __future__ import annotations

import json
from pathlib import Path

from httpx_sse import aconnect_sse

from gateway.cli import asking
from tests.gateway.conftest import Served
from tests.gateway.test_cli import ql
from tests.kit.stores.test_calls import ANSWERED, call
from tests.servers import Database
from workers.kit.stores.calls import Spent
from workers.kit.stores.pg import open_pool
from workers.kit.stores.pg.ledger import PgLedger

ILL = "openai/gpt-4.1"


def test_a_note_begins_with_the_reason() -> None:
    tried = [{"model": ILL, "error": "429 too many"}]
    row = {"tried": tried, "outcome": "failed", "code": "", "detail": f"no model answers question-0 now: {ILL}: 429"}
    assert asking._note(row) == f"{ILL}: 429 too many"
    assert asking._note(row | {"code": "over_budget", "detail": "the budget"}) == "the budget"
    assert asking._note(row | {"outcome": "answered", "detail": ""}) == f"after {ILL}: 429 too many"


def test_a_model_without_a_price_does_not_look_free() -> None:
    row = {"provider": "vllm", "cost_in": 0.0, "cost_out": 0.0}
    assert asking._price(row) == "no price: budgets do not hold"
    assert asking._price(row | {"provider": "blueprint"}) == "0/0"
    assert asking._price(row | {"cost_out": 2.5e-6}) == "0/2.5"


def test_what_a_model_had_no_room_for_is_told() -> None:
    piece = {"name": "input:examples[1]", "sha256": "ab" * 32, "tokens": 900, "left_out": False}
    assert asking._piece(piece) == f"input:examples[1]  900 tokens  {'ab' * 6}"
    assert asking._piece(piece | {"left_out": True}).endswith("  left out: no room")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    tested = ql("llm", "test", QL_GATEWAY_URL="", QL_DATA=str(tmp_path), QL_MODELS="openai/gpt-4o", OPENAI_API_KEY="")
    assert tested.returncode == 1
    assert b"OPENAI_API_KEY" in tested.stderr


async def test_a_call_that_failed_does_not_show_what_another_was_answered(served: Served, database: Database) -> None:
    async with await open_pool(database.worker, 1) as pool:
        ledger = PgLedger(pool)
        await ledger.note(call(workflow="w1"), "1", Spent(outcome="failed", model=ILL, detail="429 too many"))
        await ledger.settle(call(workflow="w2"), "2", "answer", "stop", ANSWERED)
    listed = (await served.http.get("/v1/llm/calls")).json()["items"]
    shown = [(await served.http.get(f"/v1/llm/calls/{one['id']}")).json() for one in listed]
    assert [(one["asked"], one["answer"]) for one in shown] == [("question", "answer"), ("question", None)]


async def test_without_a_router_the_answer_is_later(served: Served) -> None:
    for method, path in (("POST", "/v1/llm/generate"), ("GET", "/v1/llm/models")):
        body = {"prompt": "Hello"} if method == "POST" else None
        answer = await served.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "router_down")
        assert answer.headers["retry-after"]
    async with aconnect_sse(served.http, "POST", "/v1/llm/stream", json={"prompt": "Hello"}) as source:
        (event,) = [event async for event in source.aiter_sse()]
    assert (event.event, json.loads(event.data)["code"]) == ("problem", "router_down")
