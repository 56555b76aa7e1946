"""The router's decisions: one question is paid for once, and nothing that goes wrong stops it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.workers.llm_router.serving import Counting, chain, question, service
from workers.kit.llm.wire import Answer, Message, Problem, Question, question_key
from workers.kit.prompts.block import with_block
from workers.kit.stores.calls import Answer as Kept
from workers.kit.stores.calls import Call, Spent
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router.models import BLUEPRINT, read_chains
from workers.llm_router.providers import version
from workers.llm_router.said import Completion, Facts, Failed
from workers.llm_router.service import Service


async def answered(asked: Service, one: Question) -> Answer:
    reply = await asked.answer(one)
    assert isinstance(reply, Answer), reply
    return reply


async def refused(asked: Service, one: Question) -> Problem:
    reply = await asked.answer(one)
    assert isinstance(reply, Problem), reply
    return reply


def test_the_blueprint_s_version_changes_with_its_code_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    module = tmp_path / "inner" / "rules.py"
    module.write_text("A = 1\n")
    before = version(tmp_path)
    module.write_text("A = 2\n")
    assert version(tmp_path) != before
    module.write_text("A = 1\n")
    assert version(tmp_path) == before
    assert version() not in {before, version(tmp_path / "inner")}


async def test_another_version_of_the_built_in_model_is_asked_again() -> None:
    """Else a better generator would go on giving what the old one wrote."""
    ledger, provider = MemoryLedger(), Counting()
    for one in ("1", "2", "1"):
        built_in = Service(read_chains(f"{BLUEPRINT},openai/x"), chain(provider), ledger, version=one)
        await built_in.answer(question())
    assert len(ledger.answers) == 2


async def test_an_answer_is_stored_and_given_again_without_a_call() -> None:
    provider, ledger = Counting(), MemoryLedger()
    first = await answered(service(provider, ledger), question())
    again = await answered(service(provider, ledger), question(workflow="w2"))
    key = question_key(question(), "openai/x")
    assert first == Answer(text="answer 1", model="openai/x", question=key, tokens_in=3, tokens_out=5, cost=0.01)
    assert again == replace(first, known=True, cost=0.0)
    assert provider.calls == 1
    assert [(used.call.workflow, used.spent.outcome, used.spent.cost) for used in ledger.used] == [
        ("w1", "answered", 0.01),
        ("w2", "known", 0.0),
    ]


async def test_equal_questions_at_once_are_one_call_on_one_router_and_on_two() -> None:
    provider, ledger = Counting(), MemoryLedger()
    routers = [service(provider, ledger), service(provider, ledger)]
    answers = await asyncio.gather(*(routers[n % 2].answer(question(workflow=f"w{n}")) for n in range(20)))
    assert {answer.text for answer in answers if isinstance(answer, Answer)} == {"answer 1"}
    assert len([answer for answer in answers if isinstance(answer, Answer)]) == 20
    assert provider.calls == 1
    assert {used.call.workflow for used in ledger.used} == {f"w{n}" for n in range(20)}  # each has it in its record


@pytest.mark.parametrize("stand_in", [True, False])
async def test_what_stops_one_workflow_is_not_told_to_another_that_asks_the_same(*, stand_in: bool) -> None:
    one = service(provider := Counting(), MemoryLedger(budgets={"poor": 0.0001}))
    asked = buildable() if stand_in else question()
    workflows = ("poor", "w2", "w3")
    poor, *others = await asyncio.gather(*(one.answer(replace(asked, workflow=name)) for name in workflows))
    assert poor.instead if isinstance(poor, Answer) else poor.code == "over_budget"
    assert [reply.text for reply in others if isinstance(reply, Answer) and not reply.instead] == ["answer 1"] * 2
    assert provider.calls == 1


async def test_a_strict_asker_s_miss_is_its_own() -> None:
    one = service(Counting())
    strict, other = await asyncio.gather(one.answer(replace(question(), strict=True)), one.answer(question("write")))
    assert isinstance(strict, Problem)
    assert strict.code == "not_in_ledger"
    assert isinstance(other, Answer)


async def test_an_asker_who_leaves_takes_the_answer_from_nobody() -> None:
    provider = Counting()
    one = service(provider)
    leaving = asyncio.create_task(one.answer(question()))
    staying = asyncio.create_task(one.answer(question()))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, Answer)
    assert provider.calls == 1


async def test_a_tenant_a_nonce_and_a_text_of_its_own_are_other_questions() -> None:
    provider = Counting()
    one = service(provider)
    for other in (question(), question(tenant="t2"), question(nonce="2"), question("else")):
        await answered(one, other)
    assert provider.calls == 4


async def test_a_model_that_fails_is_named_with_its_error_and_the_next_one_answers() -> None:
    provider = Counting()
    provider.by_name["openai/a"] = Failed(kind="fault", error="503: overloaded")
    answer = await answered(service(provider, models="openai/a,groq/b"), question())
    assert answer.model == "groq/b"
    assert [(one.model, one.error) for one in answer.tried] == [("openai/a", "503: overloaded")]


async def test_the_key_of_a_question_is_its_chain_s_first_model_s_whoever_answers() -> None:
    provider, ledger = Counting(), MemoryLedger()
    provider.by_name["openai/a"] = Failed(kind="fault", error="503")
    await answered(service(provider, ledger, "openai/a,groq/b"), question())
    again = await answered(service(provider, ledger, "openai/a"), question())
    assert (again.model, again.known) == ("groq/b", True)


@pytest.mark.parametrize(
    ("failed", "kind", "code"),
    [
        (Failed(kind="fault", error="500"), "transient", ""),
        (Failed(kind="busy", error="limit", pause_s=7), "transient", "no_model"),
        (Failed(kind="unusable", error="401"), "transient", "no_model"),
        (Failed(kind="rejected", error="400"), "permanent", ""),
        (Failed(kind="large", error="too long"), "permanent", ""),
        (Failed(kind="refused", error="no"), "refused", ""),
    ],
)
async def test_why_there_is_no_answer_says_what_to_do(failed: Failed, kind: str, code: str) -> None:
    ledger = MemoryLedger()
    problem = await refused(service(Counting(failed), ledger), question())
    assert (problem.kind, problem.code) == (kind, code)
    assert failed.error in problem.message
    assert not ledger.answers
    assert [(used.spent.outcome, used.spent.tried != ()) for used in ledger.used] == [("failed", True)]


async def test_a_refused_key_names_what_to_set_and_another_tenant_hears_no_word_of_it() -> None:
    provider = Counting(Failed(kind="unusable", error="401: the words of one tenant"))
    one = service(provider)
    problem = await refused(one, question())
    assert "OPENAI_API_KEY" in problem.message
    assert problem.retry_after
    (known,) = (await one.models()).known
    assert (known.state, known.error) == ("open", "401: its key or its name is refused")
    other = await refused(one, question(tenant="t2"))
    assert (other.kind, other.code, provider.calls) == ("transient", "no_model", 1)
    assert "words" not in other.message


async def test_where_the_others_key_is_refused_an_unusable_answer_is_told_as_such() -> None:
    one = service(Counting(Failed(kind="unusable", error="401")), models="openai/a,groq/b")
    problem = await refused(one, replace(question(), skip=("openai/a",)))
    assert (problem.kind, problem.code) == ("permanent", "no_model")


async def test_what_failed_models_took_is_paid() -> None:
    provider, ledger = Counting(), MemoryLedger()
    provider.by_name["openai/a"] = Failed(kind="rejected", error="empty", tokens_in=2, tokens_out=7, cost=0.5)
    await answered(service(provider, ledger, "openai/a,groq/b"), question())
    await refused(service(provider, ledger, "openai/a"), question("2"))
    took = [(used.spent.tokens_in, used.spent.tokens_out, used.spent.cost) for used in ledger.used]
    assert took == [(5, 12, 0.51), (2, 7, 0.5)]


async def test_a_question_reaches_three_models_at_most() -> None:
    provider = Counting(Failed(kind="fault", error="500"))
    await refused(service(provider, models="openai/a,openai/b,openai/c,openai/d"), question())
    assert provider.asked == ["openai/a", "openai/b", "openai/c"]


async def test_a_refusal_is_not_taken_to_another_model() -> None:
    provider = Counting(Failed(kind="refused", error="I will not"))
    assert (await refused(service(provider, models="openai/a,groq/b"), question())).message == "I will not"
    assert provider.calls == 1


async def test_models_that_must_not_be_asked_are_not() -> None:
    provider = Counting()
    one = service(provider, models="openai/a,groq/b")
    answer = await answered(one, replace(question(), skip=("openai/a",)))
    assert (answer.model, answer.tried) == ("groq/b", ())
    problem = await refused(one, replace(question(), skip=("openai/a", "groq/b")))
    assert (problem.kind, problem.code) == ("permanent", "no_model")


async def test_two_models_of_one_name_are_two_for_the_ledger_and_one_that_moved_is_the_same() -> None:
    here, there = "openai/a@http://127.0.0.1:1/v1", "openai/a@http://127.0.0.1:2/v1"
    provider, ledger = Counting(), MemoryLedger()
    both = service(provider, ledger, f"{here};strong={there}")
    await answered(both, question())
    assert not (await answered(both, replace(question(), group="strong"))).known
    await answered(service(provider, ledger, here), question())
    assert (await answered(service(provider, ledger, there), question())).known
    assert provider.calls == 3


async def test_a_group_has_its_own_chain_and_an_unknown_one_the_default() -> None:
    provider = Counting()
    one = service(provider, models="openai/a;strong=anthropic/b")
    assert (await answered(one, replace(question("1"), group="strong"))).model == "anthropic/b"
    assert (await answered(one, replace(question("2"), group="fast"))).model == "openai/a"


async def test_an_unforeseen_fault_is_told_as_one_to_try_again_and_the_service_goes_on() -> None:
    provider = Counting(ValueError("key sk-hunter2"))
    one = service(provider)
    problem = await refused(one, question())
    assert (problem.kind, "hunter2" in problem.message) == ("transient", False)
    provider.said = None
    await answered(one, question())


async def test_strict_asks_nobody_and_says_where_the_question_differs() -> None:
    provider, ledger = Counting(), MemoryLedger()
    one = service(provider, ledger)
    await answered(one, question("write a poem"))
    assert (await answered(one, replace(question("write a poem"), strict=True))).known
    problem = await refused(one, replace(question("write a song"), strict=True))
    assert (problem.kind, problem.code, provider.calls) == ("permanent", "not_in_ledger", 1)
    assert "poem" in problem.message
    assert "song" in problem.message


def buildable(workflow: str = "w1") -> Question:
    """A question that the built-in model can answer."""
    block = with_block("Do it.", "prompt_enhancement", {"submission": {"prompt": "A REST API for books with a title"}})
    return replace(question(workflow=workflow), messages=(Message(role="user", content=block),))


async def test_over_its_budget_the_built_in_model_stands_in_and_says_so() -> None:
    provider, ledger = Counting(), MemoryLedger(budgets={"w1": 0.01})
    one = service(provider, ledger)
    answer = await answered(one, buildable())
    assert (answer.model, answer.cost, provider.calls) == (BLUEPRINT, 0.0, 0)
    assert answer.instead.startswith("the workflow's budget of 0.01 USD would be crossed")
    assert (await answered(one, buildable("w2"))).instead == ""  # another workflow has money for a better one
    assert [used.spent.outcome for used in ledger.used] == ["stand_in", "answered"]


async def test_what_a_stand_in_said_is_said_again_by_a_strict_replay_only() -> None:
    provider, ledger = Counting(), MemoryLedger(budgets={"w1": 0.01})
    one = service(provider, ledger)
    stood_in = await answered(one, buildable())
    again = await answered(one, replace(buildable("replay"), strict=True))
    assert (again.text, again.instead, again.known, provider.calls) == (stood_in.text, stood_in.instead, True, 0)
    await answered(one, buildable("w2"))
    assert await answered(one, replace(buildable("replay"), strict=True)) == again
    better = await answered(one, replace(buildable("later"), strict=True))
    assert (better.instead, provider.calls) == ("", 1)


async def test_over_its_budget_with_nobody_to_stand_in_both_reasons_are_told() -> None:
    ledger = MemoryLedger(budgets={"w1": 0.01})
    problem = await refused(service(Counting(), ledger), question())
    assert (problem.kind, problem.code) == ("permanent", "over_budget")
    assert "the workflow's budget of 0.01 USD" in problem.message
    assert "the built-in model can't stand in" in problem.message


async def test_what_was_spent_counts_against_the_budget() -> None:
    provider, ledger = Counting(Completion(text="a", cost=3.0)), MemoryLedger(budgets={"w1": 25.0})
    one = service(provider, ledger)
    replies = [await one.answer(replace(question(str(n)), max_tokens=2000)) for n in range(3)]
    assert provider.calls == 2  # each may take 20: 0 + 20, 3 + 20, but not 6 + 20
    assert [isinstance(reply, Answer) for reply in replies] == [True, True, False]


def test_a_model_without_a_price_is_told() -> None:
    models = read_chains(f"openai/a,{BLUEPRINT}").all
    assert [model.name for model in chain(Counting(facts=Facts())).unpriced(models)] == ["openai/a"]
    assert chain(Counting()).unpriced(models) == []


async def test_what_a_call_may_cost_is_not_less_for_texts_in_chinese() -> None:
    ledger = MemoryLedger(budgets={"w1": 1.0})
    provider = Counting(facts=Facts(cost_in=0.01))
    assert isinstance(await service(provider, ledger).answer(question("a" * 200)), Answer)
    assert isinstance(await service(provider, ledger).answer(question("书" * 200)), Problem)


async def test_when_the_ledger_is_away_nothing_is_asked() -> None:
    class Down(MemoryLedger):
        async def known(self, call: Call) -> Kept | None:
            raise StoreDown("connection refused")

    provider = Counting()
    problem = await refused(service(provider, Down()), question())
    assert (problem.kind, problem.retry_after, provider.calls) == ("transient", 1.0, 0)


async def test_an_answer_that_could_not_be_stored_is_not_given() -> None:
    class Full(MemoryLedger):
        async def settle(self, call: Call, token: str, text: str, finish: str, spent: Spent) -> Kept:
            raise StoreDown("disk full")

    assert (await refused(service(Counting(), Full()), question())).kind == "transient"


async def test_half_a_surrogate_pair_is_stored_as_what_can_be_told() -> None:
    assert (await answered(service(Counting(Completion(text="half \ud800"))), question())).text == "half ?"


async def test_an_answer_cut_off_by_the_model_says_so_also_from_the_ledger() -> None:
    one = service(Counting(Completion(text="half", finish="length")))
    assert [(await answered(one, question())).finish for _ in range(2)] == ["length", "length"]
