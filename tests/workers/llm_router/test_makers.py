"""Bedrock, Groq, vLLM and Ollama in both of its ways, as the router reaches them: answers, usage, faults, keys."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack

import msgspec
import pytest
from msgspec.structs import replace

from contracts.artifacts import Brief
from tests.providers.calling import KEY_ID, LITELLM_WARNS, PROMPT
from tests.providers.plan import Plan
from tests.providers.server import KEY, Provider
from tests.workers.llm_router.serving import Unwatched, question
from workers.kit.llm.wire import Answer
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.chat import Chat
from workers.llm_router.models import Model, read_chains, read_contexts, read_model, read_parameters, secrets
from workers.llm_router.providers import Blueprint
from workers.llm_router.said import Completion, Failed, Said
from workers.llm_router.scrub import Scrub
from workers.llm_router.service import Service

pytestmark = [*LITELLM_WARNS, pytest.mark.usefixtures("quick")]
ENVIRON = {
    "OPENAI_API_KEY": KEY,
    "GROQ_API_KEY": KEY,
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": KEY,
    "AWS_REGION": "eu-central-1",
}
WIRES = {
    "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0": "bedrock",
    "groq/openai/gpt-oss-120b": "groq",
    "ollama/qwen3:8b": "ollama",
    "openai/qwen3:8b": "keyless",
    "vllm/Qwen/Qwen3-8B": "keyless",
}
"""By a model of each: the format that it is spoken to in. Ollama's server speaks OpenAI's too."""
PATHS = {"groq": "/openai/v1", "keyless": "/keyless/v1"}
PRICED = {"bedrock", "groq"}
EVERY = pytest.mark.parametrize("name", WIRES)
QUESTION = question(PROMPT)


@pytest.fixture
async def fake() -> AsyncIterator[Provider]:
    async with Provider(echo=True) as provider:
        yield provider


def at(fake: Provider, name: str) -> Model:
    return read_model(f"{name}@{fake.url}{PATHS.get(WIRES.get(name, ''), '')}", "QL_MODELS")


def chat(*models: Model, environ: Mapping[str, str] = ENVIRON, model_s: float = 5) -> Chat:
    reached = {model: read_parameters(model, environ) for model in models}
    scrub = Scrub(secret for parameters in reached.values() for secret in secrets(parameters))
    return Chat(reached, scrub, model_s=model_s, silence_s=1, contexts=read_contexts("", models))


@pytest.fixture
def hole() -> Iterator[str]:
    """An address that takes no connection and refuses none: those that nobody accepts fill it."""
    with ExitStack() as held:
        server = held.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


@EVERY
async def test_who_never_takes_the_connection_is_known_before_its_time_is_up_and_paid_nothing(
    hole: str, name: str
) -> None:
    model = read_model(f"{name}@{hole}", "QL_MODELS")
    told = await chat(model, model_s=1).complete(model, QUESTION, None, last=False)
    assert isinstance(told, Failed)
    assert (told.kind, told.tokens_in, told.cost) == ("fault", 0, 0.0)
    assert "longer than" not in told.error


async def said(fake: Provider, name: str, planned: str = "", *, stream: bool = False, last: bool = False) -> Said:
    fake.plan(planned)
    texts: list[str] = []
    model = at(fake, name)
    answer = await chat(model).complete(model, QUESTION, texts.append if stream else None, last=last)
    if stream and isinstance(answer, Completion):
        assert "".join(texts) == answer.text
    return answer


@EVERY
@pytest.mark.parametrize("stream", [True, False])
async def test_each_is_spoken_to_in_its_own_way_and_its_usage_is_read(fake: Provider, name: str, stream: bool) -> None:
    answer = await said(fake, name, stream=stream, last=True)
    assert isinstance(answer, Completion), answer
    assert '"Book"' in answer.text
    assert answer.tokens_in == -(-len(PROMPT) // 4) + 4  # as the provider counts
    assert answer.tokens_out == -(-len(answer.text) // 4)
    (call,) = fake.calls
    assert (call.wire, call.stream, call.outcome) == (WIRES[name], stream, "answered")
    assert (answer.cost > 0) is (call.wire in PRICED)


@EVERY
@pytest.mark.parametrize(
    ("planned", "kind", "calls"),
    [
        ("500,500", "fault", {2}),
        ("429:3", "fault", {1}),
        ("401", "unusable", {1}),
        ("403,403", "unusable", {1, 2}),  # litellm has a class of its own for it with some makers only
        ("404", "unusable", {1}),
        ("400", "rejected", {1}),
        ("413,413", "large", {1, 2}),
        ("empty", "fault", {1}),
    ],
)
async def test_errors_are_classed_and_tell_no_key(
    fake: Provider, name: str, planned: str, kind: str, calls: set[int]
) -> None:
    told = await said(fake, name, planned)
    assert isinstance(told, Failed), told
    assert told.kind == kind
    assert len(fake.calls) in calls
    if planned == "429:3":
        assert told.pause_s == 3
    for secret in (KEY, KEY[3:], KEY_ID):
        assert secret not in told.error


@EVERY
@pytest.mark.parametrize("planned", ["429:30", "500,500", "hang", "cut,cut"])
async def test_when_it_fails_the_next_model_answers(fake: Provider, name: str, planned: str) -> None:
    first, second = at(fake, name), Model(name="openai/gpt-4o-mini", url=f"{fake.url}/v1")
    fake.plan(Plan(first={_asked_as(name): planned.split(",")}))
    asker = chat(first, second)
    asker._model_s = 0.2 if planned == "hang" else 5.0
    chain = Chain(Blueprint(), asker, Breaker(Alone()), Unwatched())
    service = Service(read_chains(f"{first.place},{second.place}"), chain, MemoryLedger())
    answer = await service.answer(QUESTION)
    assert isinstance(answer, Answer), answer
    assert (answer.model, [one.model for one in answer.tried]) == ("openai/gpt-4o-mini", [first.name])
    assert KEY not in answer.tried[0].error


def _asked_as(name: str) -> str:
    return name.partition("/")[2]


@EVERY
async def test_a_question_that_is_too_long_is_told_as_such(name: str) -> None:
    async with Provider(windows={_asked_as(name): 20}) as fake:
        told = await said(fake, name)
        assert isinstance(told, Failed), told
        assert (told.kind, [call.outcome for call in fake.calls]) == ("large", ["too large"])


@EVERY
@pytest.mark.parametrize("stream", [True, False])
async def test_the_form_of_the_answer_is_passed_on(fake: Provider, name: str, stream: bool) -> None:
    asked = replace(QUESTION, schema_name="Brief", schema=msgspec.json.schema(Brief))
    model = at(fake, name)
    answer = await chat(model).complete(model, asked, (lambda _: None) if stream else None, last=True)
    assert isinstance(answer, Completion), answer
    assert msgspec.json.decode(answer.text, type=Brief).title
    assert [call.schema for call in fake.calls] == [True]


async def test_an_ollama_model_sees_the_whole_of_a_question_that_its_default_would_cut(fake: Provider) -> None:
    model = at(fake, "ollama/qwen3:8b")
    long = replace(QUESTION, messages=(replace(QUESTION.messages[0], content=f"{'word ' * 4000}\n\n{PROMPT}"),))
    answer = await chat(model).complete(model, long, None, last=True)
    assert isinstance(answer, Completion)
    assert answer.tokens_in > 5000
    assert chat(model).facts(model).context == 16_384


async def test_an_ollama_that_wants_a_key_gets_it_and_its_error_tells_none(fake: Provider) -> None:
    model = at(fake, "ollama/qwen3:8b")
    fake.plan("400")
    told = await chat(model, environ={"OLLAMA_API_KEY": KEY}).complete(model, QUESTION, None, last=True)
    assert isinstance(told, Failed)
    assert "Bearer [hidden]" in told.error or "Authorization: [hidden]" in told.error  # the server did repeat it
    assert KEY not in told.error


async def test_a_secret_that_does_not_fit_is_refused_and_named(fake: Provider) -> None:
    model = at(fake, "bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0")
    told = await chat(model, environ=ENVIRON | {"AWS_SECRET_ACCESS_KEY": "of somebody else"}).complete(
        model, QUESTION, None, last=True
    )
    assert isinstance(told, Failed)
    assert (told.kind, [call.outcome for call in fake.calls]) == ("unusable", ["unauthorized"])
