"""Limits in money: many calls at once on two routers, a provider that bills, and one ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Literal

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
from workers.llm_router.models import Model, Price, read_chains, read_parameters
from workers.llm_router.money import MOST_OUT, TOKENS_OUT, Purse, need, to_embed
from workers.llm_router.providers import Blueprint
from workers.llm_router.said import Completion, Facts, Failed, Said, Tell
from workers.llm_router.scrub import Scrub
from workers.llm_router.service import Service
from workers.llm_router.windows import Fitted, fit

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
        chat = Chat(parameters, Scrub([KEY]), model_s=20, silence_s=20, prices=prices)
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


def test_where_there_is_room_it_writes_what_the_model_can() -> None:
    facts = replace(FACTS, most_out=64_000)
    needed = need(question(), [facts])
    assert needed.full > needed.most > needed.guess
    for granted, cap in ((needed.full, 64_000), (needed.most, MOST_OUT), (needed.guess, TOKENS_OUT)):
        capped = Purse(granted, needed).capped(question(), facts)
        assert capped is not None
        assert capped.max_tokens == cap


@pytest.mark.parametrize("size", [30_000, 45_000, 49_000, 52_000])
def test_in_a_small_window_the_answer_has_the_room_that_was_left_for_it(size: int) -> None:
    facts = replace(FACTS, context=16_384, most_out=4096)
    asked_for = question("abcd " * (size // 5))
    assert isinstance(fit(asked_for, facts.context), Fitted)
    needed = need(asked_for, [facts])
    capped = Purse(needed.most, needed).capped(asked_for, facts)
    assert capped is not None
    assert capped.max_tokens is not None
    assert TOKENS_OUT <= capped.max_tokens <= 4096


def test_only_what_was_paid_excuses_a_refusal() -> None:
    needed = need(question(), [FACTS])
    alone, refusal = Purse(needed.guess, needed), Problem(kind="permanent", message="400: no such parameter")
    alone.pay(Failed(kind="rejected", error="400: no such parameter"))
    assert alone.excused(refusal) == refusal
    alone.pay(Failed(kind="rejected", error="it thought", cost=0.003))
    assert alone.excused(refusal).kind == "transient"


DEARLY = Failed(kind="rejected", error="it thought for as long as it may", tokens_out=9000, cost=0.009)


async def test_after_one_that_failed_dearly_the_next_is_asked_as_far_as_the_limit_allows() -> None:
    provider, ledger = Counting(facts=FACTS), MemoryLedger(months={"default": 1000.0})
    provider.by_name["openai/a"] = DEARLY
    one = Service(read_chains("openai/a,openai/b"), chain(provider), ledger)
    reply = await one.answer(question())
    assert isinstance(reply, Answer)
    assert (provider.asked, [each.model for each in reply.tried]) == (["openai/a", "openai/b"], ["openai/a"])
    assert [used.spent.cost for used in ledger.used] == [0.009, 0.01]
    assert reply.cost == pytest.approx(0.019)  # as the stage's event tells it
    assert ledger.running == {}


async def test_where_the_limit_does_not_the_stand_in_answers_and_nothing_is_paid_twice() -> None:
    provider, ledger = Counting(facts=FACTS), MemoryLedger(budgets={"w1": 0.0095})
    provider.by_name["openai/a"] = DEARLY
    one = Service(read_chains("openai/a,openai/b"), chain(provider), ledger)
    block = with_block("Do it.", "prompt_enhancement", {"submission": {"prompt": "A REST API for books with a title"}})
    reply = await one.answer(question(block))
    assert isinstance(reply, Answer)
    assert "0.009 USD are spent" in reply.instead
    assert provider.asked == ["openai/a"]


async def test_what_was_paid_makes_it_an_attempt_that_counts() -> None:
    """With and without a limit: else it is asked again and again, and paid for each time."""
    provider = Counting(facts=FACTS)
    provider.by_name["openai/a"] = DEARLY
    provider.by_name["openai/b"] = Failed(kind="busy", error="its provider's limit", pause_s=20)
    for ledger in (MemoryLedger(), MemoryLedger(months={"default": 1000.0})):
        reply = await Service(read_chains("openai/a,openai/b"), chain(provider), ledger).answer(question())
        assert isinstance(reply, Problem)
        assert (reply.kind, reply.code, reply.retry_after) == ("transient", "", 20)


class Obeying(Counting):
    """Would write 9,000 tokens."""

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        self.asked.append(model.name)
        size = min(9000, question.max_tokens or 9000)
        finish: Literal["stop", "length"] = "stop" if size == 9000 else "length"
        return Completion(text="x" * size, finish=finish, tokens_out=size, cost=size * 1e-6)


async def test_what_was_cut_for_a_limit_is_the_answer_of_those_with_a_limit_only() -> None:
    provider, ledger = Obeying(facts=FACTS), MemoryLedger(budgets={"w1": 0.0035, "w2": 0.05})
    one = Service(read_chains("openai/a"), chain(provider), ledger)
    first = await one.answer(question(workflow="w1"))
    assert isinstance(first, Answer)
    assert first.finish == "length"
    for workflow in ("w1", "w2"):  # w1 is over by now
        again = await one.answer(question(workflow=workflow))
        assert isinstance(again, Answer)
        assert (again.known, again.text, again.instead) == (True, first.text, "")
    whole = await one.answer(question(workflow="w3"))
    assert isinstance(whole, Answer)
    assert (whole.finish, whole.known, provider.calls) == ("stop", False, 2)
    assert sum(used.spent.cost for used in ledger.used) == pytest.approx(first.cost + whole.cost)
    assert ledger.running == {}
    strict = Service(read_chains("openai/a"), chain(Obeying()), ledger, strict=True)
    assert isinstance(await strict.answer(question(workflow="w1")), Answer)


async def test_what_was_cut_is_kept_and_paid_once_in_postgresql_too(database: Database) -> None:
    async with AsyncExitStack() as opened:
        gateway = await opened.enter_async_context(await open_pool(database.gateway, 1))
        pool = await opened.enter_async_context(await open_pool(database.worker, 2))
        await begin_workflow(gateway, "w1", 0.0035)
        await begin_workflow(gateway, "w2", 0.02)
        provider = Obeying(facts=FACTS)
        one = Service(read_chains("openai/a,openai/b"), chain(provider), PgLedger(pool))
        first = await one.answer(question(workflow="w1"))
        assert isinstance(first, Answer)
        again = await one.answer(question(workflow="w1"))
        assert isinstance(again, Answer)
        assert (first.finish, again.text, again.known, provider.calls) == ("length", first.text, True, 1)
        dear = Counting(facts=FACTS)
        dear.by_name["openai/a"] = DEARLY
        other = Service(read_chains("openai/a,openai/b"), chain(dear), PgLedger(pool))
        after = await other.answer(question("other", workflow="w2"))
        assert isinstance(after, Answer)
        assert dear.asked == ["openai/a", "openai/b"]
        spent = await pool.fetch("SELECT scope, spent::float FROM budgets ORDER BY scope")
        running = await pool.fetchval("SELECT count(*) FROM calls_running")
    assert [(row["scope"], row["spent"]) for row in spent] == [("w1", pytest.approx(first.cost)), ("w2", 0.019)]
    assert running == 0


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
