from __future__ import annotations

import base64
import struct
import time
from typing import Any

import httpx
import msgspec
import pytest

from contracts.artifacts import Brief
from tests.providers.answers import Answers, question_sha
from tests.providers.calling import INPUTS, KEYED, LITELLM_WARNS, MAKERS, PROMPT, WIRES, Caller
from tests.providers.server import KEY, Provider, Speed, embedded
from workers.llm_router.blueprint.model import answer

pytestmark = LITELLM_WARNS
TURNS = (("system", "Be brief."), ("user", PROMPT))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("maker", MAKERS)
async def test_litellm_gets_the_blueprints_answer(caller: Caller, maker: str, stream: bool) -> None:
    async with Provider() as provider:
        said = await caller(provider, maker, stream=stream)
    assert said.text == answer("prompt_enhancement", INPUTS)
    assert msgspec.json.decode(said.text, type=Brief).title
    assert said.finish == "stop"
    assert said.tokens[1] == -(-len(said.text) // 4)
    assert said.tokens[0] > len(PROMPT) // 4
    assert [(call.wire, call.stream, call.outcome) for call in provider.calls] == [
        (WIRES.get(maker, maker), stream, "answered")
    ]
    assert provider.answered() == {question_sha(TURNS): 1}


@pytest.mark.parametrize("maker", KEYED)
async def test_another_key_is_refused(caller: Caller, maker: str) -> None:
    async with Provider() as provider:
        with pytest.raises(caller.litellm.AuthenticationError):
            await caller(provider, maker, key="sk-of-somebody-else")
    assert [call.outcome for call in provider.calls] == ["unauthorized"]
    assert provider.answered() == {}


@pytest.mark.parametrize("maker", MAKERS)
async def test_an_answer_ends_where_max_tokens_says(caller: Caller, maker: str) -> None:
    async with Provider() as provider:
        said = await caller(provider, maker, max_tokens=10)
    assert (len(said.text), said.finish, said.tokens[1]) == (40, "length", 10)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_by_schema(caller: Caller, maker: str, stream: bool) -> None:
    schema = {"name": "Brief", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}}
    form = {"type": "json_schema", "json_schema": schema}
    async with Provider() as provider:
        said = await caller(provider, maker, stream=stream, response_format=form)
    assert [call.schema for call in provider.calls] == [True]
    assert msgspec.json.decode(said.text) == msgspec.json.decode(str(answer("prompt_enhancement", INPUTS)))


async def test_recorded_answers_by_question_and_by_task(caller: Caller) -> None:
    async with Provider(answers=Answers({"prompt_enhancement": "by task"})) as provider:
        assert (await caller(provider, "openai")).text == "by task"
    both = Answers({"prompt_enhancement": "by task", question_sha(TURNS): "by question"})
    async with Provider(answers=both) as provider:
        assert (await caller(provider, "anthropic")).text == "by question"


async def test_a_conversation_that_holds_the_beginning_is_told_the_rest() -> None:
    answers, whole = Answers(), str(answer("prompt_enhancement", INPUTS))
    begun = (*TURNS, ("assistant", whole[:100]), ("user", "Go on where you stopped."))
    assert await answers.to(begun, question_sha(begun)) == whole[100:]
    again = (*TURNS, ("assistant", whole[:100]), ("user", PROMPT))
    assert await answers.to(again, question_sha(again)) == whole


async def test_a_prompt_that_is_no_question_of_ours_is_repeated(caller: Caller) -> None:
    async with Provider() as provider:
        assert (await caller(provider, "openai", prompt="hello")).text == "You said: hello"


@pytest.mark.parametrize("maker", ["openai", "bedrock", "ollama_chat"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_takes_the_time_it_is_told_to(caller: Caller, maker: str, stream: bool) -> None:
    async with Provider(speed=Speed(first_s=0.1, tokens_per_s=1000)) as provider:
        began = time.perf_counter()
        said = await caller(provider, maker, stream=stream)
        took = time.perf_counter() - began
    assert took >= 0.1 + said.tokens[1] / 1000 * 0.9  # the last of the pieces needs no pause after it


@pytest.mark.parametrize("coded", ["float", "base64"])
async def test_embeddings(litellm: Any, coded: str) -> None:
    async with Provider() as provider:
        reply = await litellm.aembedding(
            model="openai/embed-test",
            input=["a red book", "a red car"],
            api_base=f"{provider.url}/v1",
            api_key=KEY,
            encoding_format=coded,
        )
    vectors = [one["embedding"] for one in reply.data]
    if coded == "base64":
        vectors = [struct.unpack("<64f", base64.b64decode(one)) if isinstance(one, str) else one for one in vectors]
    assert vectors[0] == pytest.approx(embedded("a red book", 64), abs=1e-6)
    assert vectors[0] != vectors[1]
    assert reply.usage.prompt_tokens == 6


async def test_models_and_what_is_no_request() -> None:
    async with Provider() as provider, httpx.AsyncClient(base_url=provider.url) as client:
        assert (await client.get("/v1/models")).status_code == 401
        listed = await client.get("/v1/models", headers={"authorization": f"Bearer {KEY}"})
        assert [model["id"] for model in listed.json()["data"]] == ["gpt-test", "claude-test"]
        assert (await client.get("/v1/other")).status_code == 404
        wrong = await client.post(
            "/v1/messages", headers={"x-api-key": KEY, "anthropic-version": "2023-06-01"}, json=[]
        )
        assert (wrong.status_code, wrong.json()["type"]) == (400, "error")
        no_version = await client.post("/openai/deployments/a/chat/completions", headers={"api-key": KEY}, json={})
        assert no_version.status_code == 400
