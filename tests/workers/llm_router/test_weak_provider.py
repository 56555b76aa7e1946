"""A provider with faults, litellm, the router's service and the dialogue: what the stage gets, and what it took."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts.artifacts import Brief, Submission
from contracts.events import ModelCalls
from tests.providers.calling import LITELLM_WARNS
from tests.providers.plan import Plan
from tests.providers.server import Provider
from tests.workers.llm_router.serving import Unwatched
from tests.workers.llm_router.test_chat import at, chat
from workers.kit.llm.dialogue import Dialogue
from workers.kit.llm.wire import Answer, Problem, Question
from workers.kit.stage import Run, Unfit
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.tally import tally
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.models import read_chains
from workers.llm_router.providers import Blueprint
from workers.llm_router.service import Service
from workers.prompt_enhancement.stage import PromptEnhancement

pytestmark = [*LITELLM_WARNS, pytest.mark.usefixtures("quick")]
RUN = Run(tenant="default", workflow="w", stage="prompt_enhancement", revision=1, inputs={})
SUBMISSION = Submission(prompt="A REST API for books. A book has a title (required) and a year. I can add books.")


@pytest.fixture
async def fake() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


class InProcess(Dialogue):
    """A dialogue with the router's service, without a bus."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def ask(self, question: Question) -> Answer | Problem:
        return await self._service.answer(question)


async def brief(*chain: str, fake: Provider, model_s: float = 5) -> tuple[Brief, tuple[ModelCalls, ...]]:
    models = [at(fake, *name.split("/")) for name in chain if not name.startswith("blueprint")]
    text = ",".join(f"{model.name}@{model.url}" for model in models)
    text += ",blueprint/default" if "blueprint/default" in chain else ""
    others = chat(*models)
    others._model_s = model_s
    asked = Chain(Blueprint(), others, Breaker(Alone()), Unwatched())
    service = Service(read_chains(text), asked, MemoryLedger())
    with tally() as counted:
        made = await PromptEnhancement(InProcess(service))(SUBMISSION, RUN)
    return made, counted.told()


@pytest.mark.parametrize(
    ("planned", "calls"),
    [
        ("ok", 1),
        ("no_usage", 1),
        ("prose", 1),
        ("length", 2),
        ("wrong_json", 2),
        ("wrong_schema", 2),
        ("wrong_json,length", 3),
    ],
)
async def test_a_weak_answer_becomes_the_same_artifact(fake: Provider, planned: str, calls: int) -> None:
    good, _ = await brief("openai/gpt-4o-mini", fake=fake)
    fake.calls.clear()
    fake.plan(planned)
    made, (told,) = await brief("openai/gpt-4o-mini", fake=fake)
    assert made == good
    assert (len(fake.calls), told.calls, told.model) == (calls, calls, "openai/gpt-4o-mini")
    assert told.role
    assert told.cost > 0


@pytest.mark.parametrize(
    ("planned", "calls"),
    [
        ("401", 1),
        ("429:30", 1),
        ("500", 2),
        ("503", 2),
        ("hang", 1),
        ("drip:9", 1),
        ("cut", 1),
        ("length", 8),
        ("empty", 1),
        ("wrong_json", 2),
        ("wrong_schema", 2),
        ("huge", 1),
    ],
)
async def test_whatever_is_wrong_with_the_first_model_the_next_one_writes_the_same(
    fake: Provider, planned: str, calls: int
) -> None:
    good, _ = await brief("openai/gpt-4o", fake=fake)
    fake.calls.clear()
    fake.plan(Plan(always={"gpt-4o-mini": planned}))
    slow = planned in {"hang", "drip:9"}
    made, told = await brief("openai/gpt-4o-mini", "openai/gpt-4o", fake=fake, model_s=0.3 if slow else 5)
    assert made == good
    assert [call.model for call in fake.calls] == ["gpt-4o-mini"] * calls + ["gpt-4o"]
    assert {name for each in told for name in (each.model, *each.tried)} == {"openai/gpt-4o-mini", "openai/gpt-4o"}


async def test_the_next_model_writes_what_the_first_one_can_not(fake: Provider) -> None:
    fake.plan('{"always": {"gpt-4o-mini": "wrong_schema"}}')
    made, told = await brief("openai/gpt-4o-mini", "openai/gpt-4o", fake=fake)
    assert made.entities[0].name == "Book"
    assert [(calls.model, calls.calls) for calls in told] == [("openai/gpt-4o", 1), ("openai/gpt-4o-mini", 2)]


async def test_a_model_that_only_fails_is_told_in_the_tally(fake: Provider) -> None:
    fake.plan('{"always": {"gpt-4o-mini": "500"}}')
    _, (told,) = await brief("openai/gpt-4o-mini", "openai/gpt-4o", fake=fake)
    assert (told.model, told.calls, told.tried) == ("openai/gpt-4o", 1, ("openai/gpt-4o-mini",))


async def test_where_no_model_can_it_is_told_what_was_wrong(fake: Provider) -> None:
    fake.plan('{"always": {"*": "wrong_schema"}}')
    with pytest.raises(Unfit, match=r"openai/gpt-4o-mini's answer .* can't be used, also after one more try"):
        await brief("openai/gpt-4o-mini", fake=fake)
    assert len(fake.calls) == 2
