"""Which entry of the ledger answered: told to who asked, exported with its workflow, and given again to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from msgspec.structs import replace

from tests.kit.stores.limits import begin_workflow
from tests.servers import Database
from tests.workers.llm_router.serving import Counting, chain, question
from tests.workers.llm_router.test_money import DEARLY, FACTS, Obeying
from tests.workers.llm_router.test_windows import INPUTS, NAMES, asked
from workers.kit.llm.wire import Answer, Question
from workers.kit.prompts.block import with_block
from workers.kit.recorded import RecordedLlm
from workers.kit.stores.calls import Entry
from workers.kit.stores.pg import Pool, open_pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.pg.recordings import PgRecordings
from workers.kit.stores.pg.usage import PgUsage
from workers.llm_router.models import read_chains
from workers.llm_router.service import Service

MODELS = "openai/a,openai/b"
LONG = question(with_block("Write.", "t", {}))
BRIEF = question(
    with_block("Do it.", "prompt_enhancement", {"submission": {"prompt": "A REST API for books with a title"}})
)


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[Pool]:
    async with await open_pool(database.worker, 2) as pool:
        yield pool


@pytest.fixture
async def gateway(database: Database) -> AsyncIterator[Pool]:
    async with await open_pool(database.gateway, 1) as pool:
        yield pool


async def _told(router: Service, whole: Question, workflows: Sequence[str]) -> Mapping[str, Answer]:
    """What each of them is answered, one after the other."""
    told = {}
    for workflow in workflows:
        reply = await router.answer(replace(whole, workflow=workflow))
        assert isinstance(reply, Answer), reply
        told[workflow] = reply
    return told


async def _exported(gateway: Pool, workflow: str) -> Sequence[Entry]:
    return (await PgRecordings(gateway).export("default", workflow)).entries


def _strict(worker: Pool, provider: Counting) -> Service:
    return Service(read_chains(MODELS), chain(provider), PgLedger(worker), strict=True)


def _same(answer: Answer) -> tuple[str, ...]:
    """What an artifact holds of it."""
    return answer.text, answer.model, answer.question, answer.finish, answer.instead


async def test_who_was_given_a_cut_answer_has_it_in_its_file_and_is_given_it_again(worker: Pool, gateway: Pool) -> None:
    for workflow, budget in (("w1", 0.0035), ("w2", 0.05)):
        await begin_workflow(gateway, workflow, budget)
    provider = Obeying(facts=FACTS)
    router = Service(read_chains(MODELS), chain(provider), PgLedger(worker))
    told = await _told(router, LONG, ("w1", "w2"))
    elsewhere = await _told(_strict(worker, provider), LONG, ["x1"])
    told = {**told, **await _told(router, LONG, ["w3"])}
    elsewhere = {**elsewhere, **await _told(_strict(worker, provider), LONG, ["x2"])}
    assert [_same(answer) for answer in elsewhere.values()] == [_same(told["w2"]), _same(told["w3"])]
    assert [answer.finish for answer in told.values()] == ["length", "length", "stop"]
    assert (provider.calls, told["w2"].known, told["w1"].question == told["w2"].question) == (2, True, True)
    assert await worker.fetchval("SELECT count(*) FROM calls_running") == 0
    for _ in range(2):  # what was noted the first time must not change the second one
        strict = await _told(_strict(worker, provider), LONG, ("w1", "w2", "w3"))
        for workflow, answer in told.items():
            (entry,) = await _exported(gateway, workflow)
            assert (entry.question, entry.answer) == (answer.question, answer.text)
            again = await RecordedLlm([entry], "default").ask(LONG)
            assert isinstance(again, Answer)
            assert _same(again) == _same(strict[workflow]) == _same(answer)
    assert provider.calls == 2


async def test_a_stand_in_s_reason_is_each_workflow_s_own_and_what_only_failed_is_no_answer_of_it(
    worker: Pool, gateway: Pool
) -> None:
    """Each paid for a call that failed, under the question whose answer `w3` gets later."""
    for workflow, budget in (("w1", 0.0095), ("w2", 0.0099)):
        await begin_workflow(gateway, workflow, budget)
    await begin_workflow(gateway, "fork", parent="w2")
    provider = Counting(facts=FACTS)
    provider.by_name["openai/a"] = DEARLY
    told = await _told(Service(read_chains(MODELS), chain(provider), PgLedger(worker)), BRIEF, ("w1", "w2", "w3"))
    assert ["0.0095" in told["w1"].instead, "0.0099" in told["w2"].instead, told["w3"].instead] == [True, True, ""]
    assert told["w1"].question == told["w2"].question != told["w3"].question
    strict = await _told(_strict(worker, provider), BRIEF, ("w1", "fork", "w2", "w3"))
    assert _same(strict["fork"]) == _same(told["w2"])
    for workflow, answer in {**told, "fork": told["w2"]}.items():
        (entry,) = await _exported(gateway, workflow)
        assert (entry.question, entry.instead) == (answer.question, answer.instead)
        again = await RecordedLlm([entry], "default").ask(BRIEF)
        assert isinstance(again, Answer)
        assert _same(again) == _same(strict[workflow]) == _same(answer)


async def test_of_a_cut_answer_too_the_call_says_what_the_model_was_not_told(worker: Pool, gateway: Pool) -> None:
    await begin_workflow(gateway, "w1", 1.0)
    provider = Obeying(facts=replace(FACTS, context=1_500))
    router = Service(read_chains(MODELS), chain(provider), PgLedger(worker))
    for outcome, left_out in (("answered", NAMES[1:]), ("known", ())):
        (answer,) = (await _told(router, asked(INPUTS), ["w1"])).values()
        (call, *_) = await PgUsage(gateway).calls("default")
        assert (call.outcome, call.question, answer.finish) == (outcome, answer.question, "length")
        assert tuple(piece["name"] for piece in call.pieces if piece.get("left_out")) == left_out
    assert [one.outcome for one in await PgUsage(gateway).calls("default")] == ["known", "answered"]
