"""Limits in money: many calls at once on two routers, a provider that bills, and one ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.stores.limits import begin_workflow
from tests.providers.answers import Answers
from tests.providers.calling import LITELLM_WARNS
from tests.providers.server import KEY, Provider, Speed
from tests.servers import Database
from tests.workers.llm_router.serving import Counting, Unwatched, chain, question
from workers.kit.llm.wire import Answer, Problem, Question
from workers.kit.prompts.block import with_block
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.pg import Pool, open_pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.chat import Chat
from workers.llm_router.models import Price, read_chains, read_parameters
from workers.llm_router.money import MOST_OUT, TOKENS_OUT, Purse, need, to_embed
from workers.llm_router.providers import Blueprint
from workers.llm_router.said import Completion, Facts, Failed
from workers.llm_router.scrub import Scrub
from workers.llm_router.service import Service

pytestmark = LITELLM_WARNS
TASK, LONG = "t", "word " * 12_000
PRICE = Price(cost_in=1e-6, cost_out=1e-6)
BUDGET = 0.03
FACTS = Facts(cost_in=1e-6, cost_out=1e-6)
SPENT = "SELECT sum(cost)::float, max(cost)::float, count(*) FROM usage WHERE outcome = 'answered'"


@pytest.fixture
async def fake() -> AsyncIterator[Provider]:
    async with Provider(answers=Answers({TASK: LONG}), speed=Speed(first_s=0.02)) as provider:
        yield provider


def asked(number: int, workflow: str = "w1") -> Question:
    """One that the built-in model can't answer."""
    text = with_block(f"Number {number}. {'Read this. ' * 200}", TASK, {})
    return question(text, workflow=workflow)


async def _routers(opened: AsyncExitStack, fake: Provider, database: Database) -> tuple[list[Service], Pool]:
    """Two replicas, as far as money is concerned: what they share is the database. And the gateway's connections."""
    chains = read_chains(f"openai/gpt-test@{fake.url}/v1")
    parameters = {model: read_parameters(model, {"OPENAI_API_KEY": KEY}) for model in chains.all}
    prices = {model.name: PRICE for model in chains.all}
    routers = []
    for _ in range(2):
        pool = await opened.enter_async_context(await open_pool(database.worker, 4))
        chat = Chat(parameters, {}, Scrub([KEY]), model_s=20, silence_s=20, prices=prices)
        routers.append(Service(chains, Chain(Blueprint(), chat, Breaker(Alone()), Unwatched()), PgLedger(pool)))
    return routers, await opened.enter_async_context(await open_pool(database.gateway, 1))


@pytest.mark.parametrize("whose", ["workflow", "month"])
async def test_twenty_at_once_on_two_routers_are_never_more_than_one_call_over(
    fake: Provider, database: Database, litellm: Any, whose: str
) -> None:
    async with AsyncExitStack() as opened:
        routers, gateway = await _routers(opened, fake, database)
        worker = await opened.enter_async_context(await open_pool(database.worker, 1))
        workflows = ["w1"] if whose == "workflow" else [f"w{n}" for n in range(20)]
        for workflow in workflows:
            await begin_workflow(gateway, workflow, BUDGET if whose == "workflow" else None)
        if whose == "month":
            await worker.execute("UPDATE tenants SET monthly_budget = $1::float8::numeric", BUDGET)
        replies = await asyncio.gather(
            *(routers[n % 2].answer(asked(n, workflows[n % len(workflows)])) for n in range(20))
        )
        spent, dearest, calls = await worker.fetchrow(SPENT) or (0.0, 0.0, 0)
        running = await worker.fetchval("SELECT count(*) FROM calls_running")
    answers = [reply for reply in replies if isinstance(reply, Answer)]
    assert {reply.code for reply in replies if isinstance(reply, Problem)} == {"over_budget"}
    assert len(answers) == calls == len(fake.calls) >= 3
    assert BUDGET - 2 * dearest < spent <= BUDGET + dearest
    # What it would have written is more than the model was allowed to write.
    assert {answer.finish for answer in answers} == {"length"}
    assert max(answer.tokens_out for answer in answers) <= MOST_OUT < len(LONG) / 4
    assert running == 0


async def test_where_no_limit_holds_an_answer_is_as_long_as_the_model_wants_it(
    fake: Provider, database: Database, litellm: Any
) -> None:
    async with AsyncExitStack() as opened:
        routers, _ = await _routers(opened, fake, database)
        reply = await routers[0].answer(asked(1))
    assert isinstance(reply, Answer)
    assert (reply.finish, reply.text) == ("stop", LONG)


def test_a_call_beside_others_holds_the_most_it_can_take() -> None:
    asked_for = replace(question("x" * 3000), schema={"type": "object"})
    needed = need(asked_for, [FACTS, Facts(cost_in=2e-6, cost_out=1e-6, most_out=1000)])
    assert needed.guess == pytest.approx(FACTS.cost_in * 3017 / 3 + FACTS.cost_out * TOKENS_OUT)
    assert needed.most > needed.guess
    capped = Purse(needed.most, needed).capped(asked_for, FACTS)
    assert capped is not None
    assert capped.max_tokens == MOST_OUT
    assert Purse(needed.most, needed).capped(replace(asked_for, max_tokens=7), FACTS) == replace(
        asked_for, max_tokens=7
    )
    assert Purse(0.0, needed).capped(asked_for, Facts()) == asked_for  # what costs nothing needs no money


def test_alone_it_writes_what_is_left_and_no_model_is_asked_for_less() -> None:
    asked_for = question("x" * 3000)
    needed = need(asked_for, [FACTS])
    alone = Purse(needed.guess, needed)
    capped = alone.capped(asked_for, FACTS)
    assert capped is not None
    assert capped.max_tokens == TOKENS_OUT
    alone.pay(Failed(kind="fault", error="cut", cost=1e-4))
    assert alone.capped(asked_for, FACTS) is None
    small = Purse(needed.most, needed).capped(asked_for, replace(FACTS, context=3000))
    assert small is not None
    assert small.max_tokens == 2000  # what it reads has its place there too


async def test_a_model_that_fails_dearly_leaves_no_money_for_the_next() -> None:
    provider = Counting(facts=FACTS)
    provider.by_name["openai/a"] = Failed(kind="fault", error="500: cut", tokens_out=9000, cost=0.009)
    models = read_chains("openai/a,openai/b").all
    needed = need(question(), [FACTS])
    told = await chain(provider).ask(question(), models, Purse(needed.most, needed))
    assert isinstance(told.said, Problem)
    assert (told.said.kind, provider.asked) == ("transient", ["openai/a"])
    assert [one.error for one in told.tried] == ["500: cut", "left out: what the call may take is spent"]


async def test_a_model_that_only_thought_for_its_money_ends_with_the_stand_in() -> None:
    """Cut short alone, it wrote nothing: another try is over the limit, and not the end of the workflow."""
    said = Failed(kind="rejected", error="it thought for as long as it may, and wrote nothing", cost=0.003)
    provider, ledger = Counting(facts=FACTS), MemoryLedger(budgets={"w1": 0.004})
    provider.said = said
    one = Service(read_chains("openai/x"), chain(provider), ledger)
    block = with_block("Do it.", "prompt_enhancement", {"submission": {"prompt": "A REST API for books with a title"}})
    first = await one.answer(question(block))
    assert isinstance(first, Problem)
    assert first.kind == "transient"
    second = await one.answer(question(block))
    assert isinstance(second, Answer)
    assert "would be crossed" in second.instead


def test_texts_for_vectors_are_never_more_than_their_bytes() -> None:
    needed = to_embed(("ab", "é"), FACTS)
    assert needed.guess < 4e-6 < needed.most


async def test_a_dear_answer_is_paid_whole() -> None:
    """A provider that bills more than it may: the workflow stops there."""
    provider, ledger = Counting(Completion(text="a", cost=3.0), facts=FACTS), MemoryLedger(budgets={"w1": 0.02})
    one = Service(read_chains("openai/x"), chain(provider), ledger)
    replies = [await one.answer(question(str(n))) for n in range(3)]
    assert [isinstance(reply, Answer) for reply in replies] == [True, False, False]
