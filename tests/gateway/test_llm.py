"""Models through the gateway: a real router process, over two providers that speak OpenAI's format."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from deploy.local.stack import NATS, Stack
from gateway.cli.client import Client
from gateway.cli.doctor import Check, _models
from gateway.cli.generate import _model
from tests.gateway.conftest import Served, router, serving
from tests.gateway.test_cli import against, ql
from tests.gateway.test_workflows import submit
from tests.providers.plan import Plan
from tests.providers.server import KEY, Provider, Speed
from tests.servers import Database, fresh_bucket, fresh_database
from tests.workers.llm_router.serving import question
from workers.kit.llm import LlmClient
from workers.kit.settings import Settings

ILL, WELL, SLOW = "openai/gpt-4.1", "openai/gpt-4o-mini", "openai/gpt-4o"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A gateway with a router behind it, and the two providers."""

    served: Served
    database: Database
    first: Provider
    second: Provider

    async def ask(self, prompt: str, **more: object) -> httpx.Response:
        return await self.served.http.post("/v1/llm/generate", json={"prompt": prompt, **more})

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.served.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
async def asking(stack: Stack, template: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asking]:
    """The first provider is busy for ever with the model `ILL`."""
    folder: Path = tmp_path_factory.mktemp("asking")
    first = Provider(Plan(always={ILL.partition("/")[2]: "429:30"}), speed=Speed(first_s=0.01))
    async with (
        fresh_database(stack) as database,
        fresh_bucket(stack) as bucket,
        Stack(folder / "nats", frozenset({NATS})) as own,
        first,
        Provider(speed=Speed(first_s=0.01, tokens_per_s=120)) as second,
        serving(stack, database, bucket, own.urls.nats) as served,
    ):
        models = f"{WELL}@{first.url}/v1;fallback={ILL}@{first.url}/v1,{SLOW}@{second.url}/v1;builtin=blueprint/default"
        async with router(served, database, QL_MODELS=models, OPENAI_API_KEY=KEY):
            yield Asking(served=served, database=database, first=first, second=second)


async def test_the_same_question_again_is_answered_by_the_ledger(asking: Asking) -> None:
    asked = len(asking.first.calls)
    new = (await asking.ask("What is a bus?")).json()
    again = (await asking.ask("What is a bus?")).json()
    other = (await asking.ask("What is a bus?", nonce="2")).json()
    assert (new["text"], new["known"], new["model"]) == ("You said: What is a bus?", False, WELL)
    assert (again["text"], again["known"], again["cost"]) == (new["text"], True, 0.0)
    assert new["cost"] > 0
    assert (other["known"], other["question"] != new["question"]) == (False, True)
    assert len(asking.first.calls) == asked + 2
    found = await asking.get("/v1/llm/calls", workflow=again["workflow"])
    (call,) = found["items"]
    assert (call["outcome"], call["stage"], call["question"]) == ("known", "gateway", new["question"])
    whole = await asking.get(f"/v1/llm/calls/{call['id']}")
    assert whole["answer"] == new["text"]
    assert "What is a bus?" in str(whole["asked"])


async def test_the_calls_tell_who_failed_before_another_model_answered(asking: Asking) -> None:
    told = (await asking.ask("Who is second?", group="fallback")).json()
    assert told["model"] == SLOW
    listed = await against(asking.served, "llm", "calls", "--json", "--model", SLOW)
    (call,) = [row for row in json.loads(listed.stdout) if row["workflow"] == told["workflow"]]
    ((name, error),) = [(one["model"], one["error"]) for one in call["tried"]]
    assert name == ILL
    assert "429" in error
    table = (await against(asking.served, "llm", "calls", "--model", SLOW)).stdout.decode()
    assert f"after {ILL}" in table
    health = json.loads((await against(asking.served, "llm", "models", "--json")).stdout)
    states = {one["name"]: one["state"] for one in health["models"]}
    assert (states[ILL] == "closed", states[SLOW]) == (False, "closed")
    table = (await against(asking.served, "llm", "models")).stdout.decode()
    (line,) = [line for line in table.splitlines() if line.startswith(ILL + " ")]
    assert "  left out  " in line


async def test_the_gateway_s_models_are_told_not_this_machine_s(asking: Asking) -> None:
    def told() -> tuple[str, Check]:
        with Client(asking.served.url) as client:
            return _model(client), _models(Settings(gateway_url=asking.served.url, models="blueprint/default"))

    line, check = await asyncio.to_thread(told)
    assert line == f"model {WELL}\n"
    assert (check.ok, check.found.split()[0]) == (True, WELL)


async def events(asking: Asking, **body: object) -> list[ServerSentEvent]:
    async with aconnect_sse(asking.served.http, "POST", "/v1/llm/stream", json=body) as source:
        assert source.response.status_code == 200
        return [event async for event in source.aiter_sse()]


async def test_a_stream_tells_the_text_as_it_comes_and_ends_with_the_answer(asking: Asking) -> None:
    prompt = "Tell it slowly, word by word. " * 20
    *texts, last = await events(asking, prompt=prompt, group="fallback")
    pieces = [json.loads(event.data) for event in texts]
    answer = json.loads(last.data)
    assert (last.event, {event.event for event in texts}) == ("answer", {"text"})
    assert len(pieces) > 2
    assert "".join(piece["text"] for piece in pieces) == answer["text"] == f"You said: {prompt}"
    assert [piece["at"] for piece in pieces] == [
        sum(len(before["text"]) for before in pieces[:place]) for place in range(len(pieces))
    ]
    known, again = await events(asking, prompt=prompt, group="fallback")
    assert (json.loads(known.data)["text"], json.loads(again.data)["known"]) == (answer["text"], True)


async def test_streams_in_one_workflow_are_not_mixed(asking: Asking) -> None:
    workflow = await submit(asking.served)
    prompts = [f"{word} of two at once. " * 20 for word in ("First", "Second")]
    asked = (events(asking, prompt=prompt, group="fallback", workflow=workflow) for prompt in prompts)
    for prompt, told in zip(prompts, await asyncio.gather(*asked), strict=True):
        assert "".join(json.loads(event.data)["text"] for event in told[:-1]) == f"You said: {prompt}"


async def test_who_goes_away_from_a_stream_frees_its_place(asking: Asking) -> None:
    free = asking.served.state.asked.free
    body = {"prompt": "Tell it until I go. " * 50, "group": "fallback"}
    async with aconnect_sse(asking.served.http, "POST", "/v1/llm/stream", json=body) as source:
        async for _ in source.aiter_sse():
            assert asking.served.state.asked.free == free - 1
            break
    for _ in range(100):
        if asking.served.state.asked.free == free:
            return
        await asyncio.sleep(0.05)
    pytest.fail("its place is still taken")


async def test_what_can_not_be_answered_says_why(asking: Asking) -> None:
    refused = await asking.ask("Hello", group="builtin")
    assert (refused.status_code, refused.json()["code"]) == (422, "not_answerable")
    assert "QL_MODELS" in refused.json()["detail"]
    (event,) = await events(asking, prompt="Hello", group="builtin")
    assert (event.event, json.loads(event.data)["code"]) == ("problem", "not_answerable")
    missed = await asking.ask("Never asked", strict=True)
    assert (missed.status_code, missed.json()["code"]) == (409, "not_in_ledger")
    unknown = await asking.ask("Hello", workflow="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert unknown.status_code == 404
    assert (await asking.served.http.get("/v1/llm/calls/0")).json()["code"] == "call_not_found"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": "a", "messages": [{"role": "user", "content": "b"}]},
        {"messages": [{"role": "assistant", "content": "b"}]},
        {"prompt": "a", "temperature": 3},
        {"prompt": "a", "schema": {"title": "\ud800"}},
        {"prompt": "a\0"},
        {"prompt": "a", "group": "../x"},
    ],
)
async def test_a_question_that_is_none_is_refused(asking: Asking, body: dict[str, object]) -> None:
    for path in ("/v1/llm/generate", "/v1/llm/stream"):
        answer = await asking.served.http.post(path, content=json.dumps(body))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_schema_that_is_too_deep_is_refused(asking: Asking) -> None:
    for depth in (900, 100_000):
        deep = '{"a":' * depth + "{}" + "}" * depth
        body = f'{{"prompt": "a", "schema": {deep}}}'
        answer = await asking.served.http.post("/v1/llm/generate", content=body)
        assert answer.status_code in {400, 422}, (depth, answer.text)


async def test_a_time_that_can_not_be_is_refused(asking: Asking) -> None:
    for since in ("9999-12-31T23:59:59-14:00", "yesterday"):
        answer = await asking.served.http.get("/v1/usage", params={"since": since})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_workflow_s_budget_pays_and_is_shown(asking: Asking) -> None:
    submitted = await against(asking.served, "submit", "--budget", "0.5", "--json", "A REST API for books")
    workflow = json.loads(submitted.stdout)["id"]
    answer = (await asking.ask("What does it cost?", workflow=workflow)).json()
    shown = await asking.get(f"/v1/workflows/{workflow}")
    assert shown["budget"] == {"limit": 0.5, "spent": pytest.approx(answer["cost"]), "held": 0.0}
    used = await asking.get("/v1/usage", workflow=workflow, by="workflow")
    assert [(one["by"], one["calls"]) for one in used["items"]] == [({"workflow": workflow}, 1)]
    assert [(one["scope"], one["limit"]) for one in used["budgets"]] == [("workflow", 0.5), ("month", None)]
    table = (await against(asking.served, "llm", "cost", "--by", "stage", "--workflow", workflow)).stdout.decode()
    assert "of 0.5 USD" in table
    text = (await against(asking.served, "workflow", "show", workflow)).stdout.decode()
    assert "USD spent of 0.5 USD" in text


async def test_a_month_s_quota_stops_the_call_that_would_cross_it(asking: Asking) -> None:
    limited = await against(asking.served, "llm", "quota", "--monthly", "0.000001")
    assert b"of 1e-06 USD" in limited.stdout
    over = await asking.ask("One more?")
    assert (over.status_code, over.json()["code"]) == (402, "over_budget")
    assert "this month" in over.json()["detail"]
    assert "QL_MODELS" not in over.json()["detail"]  # another model would cost no less
    freed = await asking.served.http.put("/v1/usage/month", json={"limit": None})
    assert [budget["limit"] for budget in freed.json()["budgets"]] == [None]
    assert (await asking.ask("One more?")).status_code == 200
    assert (await asking.get("/v1/usage", by="outcome", since="2999-01-01T00:00:00Z"))["items"] == []


async def test_a_provider_that_is_switched_off_is_not_asked(asking: Asking) -> None:
    off = await against(asking.served, "llm", "off", "openai", "--reason", "it leaks")
    assert off.returncode == 0, off.stderr
    refused = await _until_not(200, asking)
    assert (refused.status_code, refused.json()["code"]) == (503, "switched_off")
    assert "it leaks" in refused.json()["detail"]
    assert refused.json()["detail"].startswith("every model for this question was ")
    models = (await asking.get("/v1/llm/models"))["models"]
    assert {one["state"] for one in models if one["provider"] == "openai"} == {"off"}
    tested = await against(asking.served, "llm", "test", WELL)
    assert tested.returncode == 1
    assert b"ql llm on openai" in tested.stderr
    assert (await asking.served.http.delete("/v1/llm/switches/openai")).status_code == 204
    assert (await asking.served.http.delete("/v1/llm/switches/openai")).status_code == 404
    assert (await _until_not(503, asking)).status_code == 200


async def _until_not(status: int, asking: Asking) -> httpx.Response:
    """What a new question gets as soon as it is something else."""
    for place in range(50):
        answer = await asking.ask("Still there?", nonce=f"{status} {place}")
        if answer.status_code != status:
            return answer
        await asyncio.sleep(0.2)
    pytest.fail(f"it is still {status}")


async def test_what_is_no_provider_can_not_be_switched_off(asking: Asking) -> None:
    answer = await asking.served.http.put("/v1/llm/switches/nosuch")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_provider")
    off = await against(asking.served, "llm", "off", "nosuch")
    assert off.returncode == 2
    operator = await asyncio.to_thread(ql, "llm", "off", "nosuch", "--tenant", "*")
    assert operator.returncode == 2
    for said in (answer.text, off.stderr.decode(), operator.stderr.decode()):
        assert "nosuch is no provider" in said
        assert "openai" in said
    assert (await asking.get("/v1/llm/switches"))["items"] == []


async def test_an_operator_switches_off_for_all_tenants(asking: Asking) -> None:
    def operate(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return ql("llm", *arguments, "--tenant", "*", QL_DATABASE_URL=asking.database.worker)

    off = await asyncio.to_thread(operate, "off", "groq", "--reason", "for all")
    assert off.returncode == 0, off.stderr
    seen = await asking.get("/v1/llm/switches")
    assert [(one["tenant"], one["reason"]) for one in seen["items"]] == [("*", "for all")]
    assert (await asking.served.http.delete("/v1/llm/switches/groq")).status_code == 404  # not the tenant's to undo
    on = await asyncio.to_thread(operate, "on", "groq")
    assert on.returncode == 0, on.stderr
    assert (await asking.get("/v1/llm/switches"))["items"] == []


async def test_every_model_is_asked_one_question(asking: Asking) -> None:
    tested = await against(asking.served, "llm", "test", "--json")
    assert tested.returncode == 1
    told = {one["model"]: one for one in json.loads(tested.stdout)}
    assert {name: one["ok"] for name, one in told.items()} == {
        WELL: True,
        ILL: False,
        SLOW: True,
        "blueprint/default": True,
    }
    assert "429" in told[ILL]["said"]
    none = await against(asking.served, "llm", "test", "no-such-group")
    assert (none.returncode, WELL.encode() in none.stderr) == (2, True)


async def test_a_ledger_goes_out_as_a_file_and_comes_back(asking: Asking, tmp_path: Path) -> None:
    workflow = await submit(asking.served)
    answer = (await asking.ask("Remember this", workflow=workflow)).json()
    file = tmp_path / "ledger.jsonl"
    exported = await against(asking.served, "workflow", "ledger", "export", workflow, "--out", str(file))
    assert exported.returncode == 0, exported.stderr
    owner = await asyncpg.connect(asking.database.admin)
    try:
        await owner.execute("DELETE FROM ledger WHERE question = $1", bytes.fromhex(answer["question"]))
    finally:
        await owner.close()
    imported = await against(asking.served, "workflow", "ledger", "import", str(file))
    assert imported.stdout == b"1 of 1 answers are new\n"
    entry = await asking.served.state.recordings.entry("default", answer["question"])
    assert entry is not None
    assert entry.answer == answer["text"]
    broken = await asking.served.http.post("/v1/ledger", content=file.read_bytes().replace(b"Remember", b"Forget"))
    assert (broken.status_code, broken.json()["code"]) == (422, "bad_recording")
    large = await asking.served.http.post("/v1/ledger", content=b"x" * (2 << 20))
    assert (large.status_code, large.json()["code"]) == (422, "bad_recording")


async def test_roles_and_arms_are_told(asking: Asking) -> None:
    workflow = await submit(asking.served)
    owner = await asyncpg.connect(asking.database.admin)
    try:
        await owner.execute("UPDATE workflows SET state = 'failed', ended_at = now() WHERE id = $1", workflow)
        await owner.execute(
            "INSERT INTO retrievals (tenant, workflow_id, stage, arm, found) "
            "VALUES ('default', $1, 's', 'held_out', 0)",
            workflow,
        )
        await owner.execute("UPDATE usage SET role = 'writer', latency_ms = 7 WHERE outcome = 'answered'")
    finally:
        await owner.close()
    (role,) = (await asking.get("/v1/llm/roles"))["items"]
    assert (role["role"], role["success"], role["p95_ms"]) == ("writer", 1.0, 7)
    (arm,) = (await asking.get("/v1/llm/arms"))["items"]
    assert (arm["arm"], arm["workflows"], arm["failed"], arm["grade"]) == ("held_out", 1, 1, None)
    roles = (await against(asking.served, "llm", "roles")).stdout.decode()
    arms = (await against(asking.served, "llm", "arms")).stdout.decode()
    line = roles.splitlines()[1].split()
    assert (line[0], line[2], line[-2:]) == ("writer", "100%", ["7", "7"])
    assert arms.splitlines()[1].split()[:5] == ["held_out", "1", "0", "1", "-"]


async def test_a_call_is_hung_up_at_the_provider_when_its_workflow_is_cancelled(asking: Asking) -> None:
    served, seen = asking.served, len(asking.second.calls)
    asking.second.plan(Plan(always={SLOW.partition("/")[2]: "hang:60"}))
    workflow = await submit(served)
    answer = asyncio.create_task(
        LlmClient(served.nc, served.settings).ask(msgspec.structs.replace(question(workflow=workflow), group=SLOW))
    )
    async with asyncio.timeout(20):
        while len(asking.second.calls) == seen:  # noqa: ASYNC110  a call can't tell
            await asyncio.sleep(0.02)
        (call,) = asking.second.calls[seen:]
        while call.outcome != "hang":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        began = time.perf_counter()
        await served.http.post(f"/v1/workflows/{workflow}/cancel", json={"reason": "enough"})
        while call.outcome != "gone":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        sys.stdout.write(f"hung up {time.perf_counter() - began:.2f} s after the cancel\n")
        told = await answer
    asking.second.plan("")
    assert getattr(told, "kind", "") == "transient"


async def test_a_refused_key_is_named(asking: Asking) -> None:
    """The last test with these models: the router leaves one out whose key was refused."""
    asking.first.key = "another"
    tested = await against(asking.served, "llm", "test", WELL, "--json")
    asking.first.key = KEY
    (told,) = json.loads(tested.stdout)
    assert (tested.returncode, told["ok"]) == (1, False)
    assert "OPENAI_API_KEY" in told["advice"]
