"""litellm as the router uses it, on a provider of our own: what every fault means, and how often it is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.providers.answers import Answers, question_sha
from tests.providers.calling import LITELLM_WARNS, PROMPT
from tests.providers.server import KEY, Provider
from tests.workers.llm_router.serving import Unwatched, question
from workers.kit.llm.wire import Answer, Problem, Question
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router import errors
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.chat import Chat, rooted
from workers.llm_router.errors import read_error
from workers.llm_router.models import Model, Price, read_chains, read_parameters
from workers.llm_router.providers import Blueprint
from workers.llm_router.said import Completion, CutOff, Failed, Said, Tell, Vectors
from workers.llm_router.scrub import Scrub
from workers.llm_router.service import Service

pytestmark = [*LITELLM_WARNS, pytest.mark.usefixtures("quick")]
ENVIRON = dict.fromkeys(("OPENAI_API_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY"), KEY)
QUESTION = question(PROMPT)


@pytest.fixture
async def fake() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@pytest.fixture
async def second() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


def at(fake: Provider, maker: str = "openai", name: str = "gpt-4o-mini") -> Model:
    return Model(name=f"{maker}/{name}", url=fake.url + ("/v1" if maker == "openai" else ""))


def chat(
    *models: Model,
    silence_s: float = 0.5,
    model_s: float = 5,
    prices: dict[str, Price] | None = None,
) -> Chat:
    reached = {model: read_parameters(model, ENVIRON) for model in models}
    return Chat(reached, Scrub([KEY]), model_s=model_s, silence_s=silence_s, prices=prices)


async def said(fake: Provider, planned: str, *, stream: bool = False, last: bool = False, model_s: float = 5) -> Said:
    fake.plan(planned)
    texts: list[str] = []
    model = at(fake)
    return await chat(model, model_s=model_s).complete(model, QUESTION, texts.append if stream else None, last=last)


@pytest.mark.parametrize("maker", ["openai", "azure", "anthropic"])
@pytest.mark.parametrize("stream", [True, False])
async def test_each_maker_is_spoken_to_in_its_own_way_and_its_price_is_known(
    fake: Provider, maker: str, stream: bool
) -> None:
    names = {"openai": "gpt-4o-mini", "azure": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
    model = at(fake, maker, names[maker])
    texts: list[str] = []
    answer = await chat(model, silence_s=5).complete(model, QUESTION, texts.append if stream else None, last=True)
    assert isinstance(answer, Completion), answer
    assert '"Book"' in answer.text
    assert "".join(texts) == (answer.text if stream else "")
    assert answer.cost > 0
    assert answer.tokens_in > 10
    assert answer.tokens_out > 10
    (call,) = fake.calls
    assert (call.wire, call.stream) == (maker, stream)


@pytest.mark.parametrize(
    ("planned", "kind", "calls", "word"),
    [
        ("500,500,500", "fault", 2, "500"),
        ("503,ok", "", 2, ""),
        ("429:3", "fault", 1, "429"),
        ("401", "unusable", 1, "401"),
        ("403", "unusable", 1, "403"),
        ("404", "unusable", 1, "404"),
        ("400", "rejected", 1, "400"),
        ("hang", "fault", 1, "no answer in time"),
        ("cut", "fault", 1, ""),
        ("eof", "fault", 1, "it ended in the middle"),
        ("length", "length", 1, ""),
        ("no_usage", "", 1, ""),
        ("empty", "fault", 1, "it said nothing"),
        ("huge", "rejected", 1, "more than 8 MiB"),
    ],
)
async def test_what_a_fault_means_and_how_often_it_is_asked(
    fake: Provider, planned: str, kind: str, calls: int, word: str
) -> None:
    told = await said(fake, planned, stream=True)
    assert len(fake.calls) == calls
    if isinstance(told, Completion):
        assert told.finish == (kind or "stop")
        assert told.tokens_out > 0
    else:
        assert told.kind == kind
        assert word in told.error
        assert KEY not in told.error


@pytest.mark.parametrize("planned", ["cut", "huge", "drip:30", "eof"])
async def test_what_a_failed_answer_took_is_told(fake: Provider, planned: str) -> None:
    told = await said(fake, planned, stream=True, model_s=0.15 if planned == "drip:30" else 5)
    assert isinstance(told, Failed)
    assert told.tokens_out > 0
    assert told.cost > 0


@pytest.mark.parametrize(("planned", "stream"), [("hang", True), ("hang", False), ("drip:30", False), ("cut", False)])
async def test_what_may_have_been_written_and_was_not_heard_is_paid_as_far_as_it_is_known_and_not_asked_again(
    fake: Provider, planned: str, stream: bool
) -> None:
    told = await said(fake, f"{planned},{planned}", stream=stream, last=True, model_s=5 if stream else 0.2)
    assert isinstance(told, Failed)
    assert told.kind == "fault"
    assert told.tokens_in >= len(PROMPT) // 4
    assert told.cost > 0
    assert len(fake.calls) == 1


async def test_a_connection_that_was_just_being_closed_is_no_answer_lost_and_one_that_was_waited_on_is(
    fake: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in (True, False):
        assert isinstance(await said(fake, "hang:0.001,ok", stream=stream), Completion)
    fake.calls.clear()
    monkeypatch.setattr(errors, "IDLE_S", 0.05)
    told = await said(fake, "hang:0.1,ok")
    assert isinstance(told, Failed)
    assert told.cost > 0
    assert len(fake.calls) == 1


async def test_who_could_not_be_reached_is_paid_nothing(fake: Provider) -> None:
    gone = replace(at(fake), url="http://127.0.0.1:9/v1")
    told = await chat(gone).complete(gone, QUESTION, None, last=False)
    assert isinstance(told, Failed)
    assert (told.tokens_in, told.cost) == (0, 0.0)


async def test_while_it_waits_to_ask_again_nothing_is_paid(fake: Provider) -> None:
    for stream in (True, False):
        late = await said(fake, "429:4,ok", stream=stream, last=True, model_s=0.3)
        assert isinstance(late, Failed)
        assert ("longer than" in late.error, late.tokens_in, late.cost) == (True, 0, 0.0)
    asking = asyncio.create_task(said(fake, "429:4,ok", last=True))
    await asyncio.sleep(0.3)
    asking.cancel()
    with pytest.raises(CutOff) as cut:
        await asking
    assert (cut.value.failed.tokens_in, cut.value.failed.cost) == (0, 0.0)
    assert len(fake.calls) == 3


async def test_what_a_call_took_until_its_workflow_ended_is_paid(fake: Provider, second: Provider) -> None:
    fake.plan("cut")
    second.plan("drip:30")
    models = f"openai/gpt-4o@{fake.url}/v1,openai/gpt-4o-mini@{second.url}/v1"
    chains = read_chains(models)
    watched, ledger = Watched(), MemoryLedger()
    service = Service(chains, Chain(Blueprint(), chat(*chains.all), Breaker(Alone()), watched), ledger)
    asking = asyncio.create_task(service.answer(QUESTION))
    while len(watched.texts) < 2 or not second.calls:  # noqa: ASYNC110  a list can't tell
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    written = len("".join(watched.texts))
    service.leave(QUESTION.tenant, QUESTION.workflow)
    assert isinstance(await asking, Problem)
    (used,) = ledger.used
    assert used.spent.outcome == "failed"
    assert used.spent.tokens_in >= 2 * (len(PROMPT) // 4)
    assert used.spent.tokens_out >= written // 4
    assert used.spent.cost > 0
    assert [one.name for one in chains.all] == [msgspec.to_builtins(one)["model"] for one in used.spent.tried]


async def test_a_model_that_is_switched_off_after_its_first_try_gets_no_second_one(fake: Provider) -> None:
    class Board:
        async def off(self, tenant: str) -> dict[str, str]:
            return {"openai": "an incident"} if fake.calls else {}

    fake.plan("500,ok")
    chains = read_chains(f"openai/gpt-4o@{fake.url}/v1")
    asking = Chain(Blueprint(), chat(*chains.all), Breaker(Alone()), Unwatched())
    problem = await Service(chains, asking, MemoryLedger(), switches=Board()).answer(QUESTION)
    assert isinstance(problem, Problem)
    assert "500" in problem.message
    assert len(fake.calls) == 1


class Watched:
    """Somebody watches."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    @contextmanager
    def writing(self, question: Question, model: Model) -> Iterator[Tell]:
        yield self.texts.append


@pytest.mark.parametrize(("finish", "kind"), [("length", "rejected"), ("content_filter", "refused"), ("stop", "fault")])
def test_an_empty_answer_is_read_by_how_it_ended_and_paid(fake: Provider, finish: str, kind: str) -> None:
    usage = SimpleNamespace(usage=SimpleNamespace(prompt_tokens=1000, completion_tokens=500))
    model = at(fake)
    told = chat(model, prices={model.name: Price(cost_in=1e-6, cost_out=2e-6)})._completion(
        model, QUESTION, "", finish, usage
    )
    assert isinstance(told, Failed)
    assert (told.kind, told.tokens_in, told.tokens_out) == (kind, 1000, 500)
    assert told.cost == pytest.approx(0.002)


@pytest.mark.parametrize("stream", [True, False])
async def test_who_refuses_a_schema_is_asked_without_and_who_answers_nothing_is_paid_and_not_asked_again(
    stream: bool,
) -> None:
    schemed, one_word = replace(QUESTION, schema={"type": "object"}), Answers({question_sha([("user", PROMPT)]): "x"})
    for planned, calls in (("400,ok", 2), ("length,ok", 1)):
        async with Provider(planned, answers=one_word) as fake:
            heard: list[str] = []
            told = await chat(at(fake)).complete(at(fake), schemed, heard.append if stream else None, last=True)
            assert (told.tokens_in > 0, told.cost > 0, len(fake.calls)) == (True, True, calls)
            assert isinstance(told, Completion if planned == "400,ok" else Failed)


def test_words_in_an_error_decide_nothing_where_its_status_says_else() -> None:
    from litellm.exceptions import BadRequestError, RateLimitError

    words = "Model rate limit exceeded, insufficient_quota, credit balance is too low"
    for error, kind in (
        (BadRequestError(message=words, model="m", llm_provider="openai"), "rejected"),
        (BadRequestError(message=words, model="m", llm_provider="anthropic"), "unusable"),
        (RateLimitError(message="Model rate limit exceeded", model="m", llm_provider="openai"), "fault"),
        (RateLimitError(message="insufficient_quota", model="m", llm_provider="openai"), "unusable"),
    ):
        told = read_error(error, Scrub())
        assert told is not None
        assert told.kind == kind


async def test_a_busy_provider_is_asked_again_after_its_pause_only_when_nobody_else_is_left(fake: Provider) -> None:
    told = await said(fake, "429:0.01,ok")
    assert isinstance(told, Failed)
    assert told.pause_s == 0.01
    assert isinstance(await said(fake, "429:0.01,ok", last=True), Completion)
    long = await said(fake, "429:30,ok", last=True)  # that long nobody waits here
    assert isinstance(long, Failed)
    assert long.pause_s == 30


async def test_vectors(fake: Provider) -> None:
    model = at(fake, name="text-embedding-3-small")
    vectors = await chat(model).embed(model, ["books", "books", "planes"])
    assert isinstance(vectors, Vectors)
    assert vectors.vectors[0] == vectors.vectors[1] != vectors.vectors[2]
    assert vectors.tokens_in > 0
    assert vectors.cost > 0
    fake.plan("401")
    assert isinstance(await chat(model).embed(model, ["books"]), Failed)
    fake.plan("hang,ok")  # it may have worked on it: that is paid, and not asked for again
    late = await chat(model, silence_s=0.2).embed(model, ["books"])
    assert isinstance(late, Failed)
    assert (late.tokens_in > 0, late.cost > 0) == (True, True)


def test_a_schema_s_root_is_an_object() -> None:
    schema: dict[str, Any] = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "title": "A"}}}
    assert rooted(schema)["type"] == "object"
    assert rooted({"type": "object"}) == {"type": "object"}


Make = Callable[[str], Service]


@pytest.fixture
def make(fake: Provider, second: Provider) -> Make:
    """A router of the first provider and the second; each model by the setting's own form."""

    def made(models: str) -> Service:
        chains = read_chains(models.format(one=f"{fake.url}/v1", two=f"{second.url}/v1"))
        reached = [model for model in chains.all if model.provider != "blueprint"]
        chain = Chain(Blueprint(), chat(*reached), Breaker(Alone()), Unwatched())
        return Service(chains, chain, MemoryLedger())

    return made


BOTH = "openai/gpt-4o@{one},openai/gpt-4o-mini@{two}"


def asked(n: int) -> Question:
    return replace(QUESTION, nonce=str(n))


@pytest.mark.parametrize("planned", ["429:30", "500,500", "hang", "401", "cut,cut", "404"])
async def test_when_the_first_provider_fails_the_second_answers_and_the_answer_says_so(
    fake: Provider, second: Provider, make: Make, planned: str
) -> None:
    fake.plan(planned)
    router = make(BOTH)
    router._chain._others._model_s = 1.0  # type: ignore[union-attr]
    answer = await router.answer(asked(1))
    assert isinstance(answer, Answer), answer
    assert answer.model == "openai/gpt-4o-mini"
    assert [one.model for one in answer.tried] == ["openai/gpt-4o"]
    assert answer.tried[0].error
    assert len(second.answered()) == 1


async def test_a_provider_that_is_down_is_left_out_after_a_few_and_says_so(
    fake: Provider, second: Provider, make: Make
) -> None:
    fake.plan(",".join(["500"] * 40))
    router = make(BOTH)
    answers = [await router.answer(asked(n)) for n in range(6)]
    assert len(fake.calls) == 2 * 3  # twice a question, for three questions
    assert isinstance(answers[-1], Answer)
    assert "left out for" in answers[-1].tried[0].error
    (first, *_) = (await router.models()).known
    assert (first.state, first.name) == ("open", "openai/gpt-4o")
    assert "500" in first.error


async def test_with_the_built_in_model_last_there_is_always_an_answer(
    fake: Provider, second: Provider, make: Make
) -> None:
    fake.plan("401")
    second.plan("500,500")
    answer = await make(f"{BOTH},blueprint/default").answer(asked(1))
    assert isinstance(answer, Answer)
    assert answer.model == "blueprint/default"
    assert [one.model for one in answer.tried] == ["openai/gpt-4o", "openai/gpt-4o-mini"]


async def test_keys_that_are_refused_everywhere_are_a_clear_problem_also_the_second_time(
    fake: Provider, second: Provider, make: Make
) -> None:
    fake.plan("401")
    second.plan("401")
    router = make(BOTH)
    for n in range(2):
        problem = await router.answer(asked(n))
        assert isinstance(problem, Problem)
        assert (problem.kind, problem.code) == ("transient", "no_model")
        assert "OPENAI_API_KEY" in problem.message
        assert "openai/gpt-4o: " in problem.message
        assert "401" in problem.message
    assert (len(fake.calls), len(second.calls)) == (1, 1)


async def test_a_model_of_one_s_own_costs_what_the_settings_say(fake: Provider) -> None:
    unknown, known = at(fake, name="of-our-own"), at(fake)
    prices = {model.name: Price(cost_in=2e-6, cost_out=3e-6) for model in (unknown, known)}
    priced = chat(unknown, known, prices=prices)
    for model in (unknown, known):
        assert (priced.facts(model).cost_in, priced.facts(model).cost_out) == (2e-6, 3e-6)
        answer = await priced.complete(model, QUESTION, None, last=True)
        assert isinstance(answer, Completion)
        assert answer.cost == pytest.approx(answer.tokens_in * 2e-6 + answer.tokens_out * 3e-6)
    assert chat(unknown).facts(unknown).cost_out == 0


async def test_an_answer_that_repeats_the_key_is_given_without_it() -> None:
    async with Provider("wrong_json,wrong_json", echo=True) as fake:
        model = at(fake)
        told: list[str] = []
        for tell in (told.append, None):
            answer = await chat(model).complete(model, QUESTION, tell, last=True)
            assert isinstance(answer, Completion)
            assert "[hidden]" in answer.text
            assert KEY not in answer.text
            assert KEY not in "".join(told)
