"""The router's decisions: one question is paid for once, and nothing that goes wrong stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from workers.kit.llm.wire import MAX_REPLY_BYTES, Answer, Message, Problem, Question, question_key
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.ledger import Answer as Kept
from workers.kit.stores.ledger import MemoryLedger
from workers.llm_router.providers import version
from workers.llm_router.service import Completion, Service


def question(text: str = "write", *, tenant: str = "default", nonce: str = "", workflow: str = "w1") -> Question:
    messages = (Message(role="user", content=text),)
    return Question(tenant=tenant, workflow=workflow, stage="s", revision=1, task="t", messages=messages, nonce=nonce)


class Counting:
    """A provider that takes a moment, counts, and says what it is told to."""

    def __init__(self, said: Completion | Problem | Exception | None = None) -> None:
        self.said = said
        self.calls = 0

    async def complete(
        self, model: str, messages: Sequence[Message], schema: dict[str, object] | None
    ) -> Completion | Problem:
        self.calls += 1
        await asyncio.sleep(0.01)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said or Completion(text=f"answer {self.calls}", tokens_in=3, tokens_out=5)


async def test_another_version_of_a_model_is_asked_again() -> None:
    """Else a better generator would go on giving what the old one wrote."""
    provider, ledger = Counting(), MemoryLedger()
    answers = [await Service("m/x", provider, ledger, version=v).answer(question()) for v in ("1", "2", "1")]
    assert provider.calls == 2
    assert answers[0] == answers[2] != answers[1]


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


async def test_an_answer_is_stored_and_given_again_without_a_call() -> None:
    provider, ledger = Counting(), MemoryLedger()
    first = await Service("m/x", provider, ledger).answer(question())
    again = await Service("m/x", provider, ledger).answer(question(workflow="w2"))
    key = question_key(question(), "m/x")
    assert first == again == Answer(text="answer 1", model="m/x", question=key)
    assert provider.calls == 1
    (used,) = ledger.used
    assert (used.workflow, used.stage, used.answer.tokens_in, used.answer.tokens_out) == ("w1", "s", 3, 5)


async def test_equal_questions_at_once_are_one_call() -> None:
    provider, ledger = Counting(), MemoryLedger()
    service = Service("m/x", provider, ledger)
    answers = await asyncio.gather(*(service.answer(question(workflow=f"w{n}")) for n in range(20)))
    assert len({answer.text for answer in answers if isinstance(answer, Answer)}) == 1
    assert provider.calls == 1


async def test_an_asker_who_leaves_takes_the_answer_from_nobody() -> None:
    provider, ledger = Counting(), MemoryLedger()
    service = Service("m/x", provider, ledger)
    leaving = asyncio.create_task(service.answer(question()))
    staying = asyncio.create_task(service.answer(question()))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, Answer)
    assert provider.calls == 1


@pytest.mark.parametrize(
    "other",
    [question("other"), question(tenant="other"), question(nonce="2")],
    ids=["text", "tenant", "nonce"],
)
async def test_another_question_is_asked_anew(other: Question) -> None:
    provider = Counting()
    service = Service("m/x", provider, MemoryLedger())
    await service.answer(question())
    await service.answer(other)
    assert provider.calls == 2


async def test_another_model_is_asked_anew() -> None:
    provider, ledger = Counting(), MemoryLedger()
    answers = [await Service(model, provider, ledger).answer(question()) for model in ("m/x", "m/y")]
    assert [answer.model for answer in answers if isinstance(answer, Answer)] == ["m/x", "m/y"]
    assert provider.calls == 2


async def test_a_refusal_is_passed_on_and_not_stored() -> None:
    refused = Problem(kind="refused", message="I build packages.")
    ledger = MemoryLedger()
    assert await Service("m/x", Counting(refused), ledger).answer(question()) == refused
    assert not ledger.answers


async def test_a_fault_of_one_question_is_told_and_the_next_is_answered() -> None:
    provider = Counting(ZeroDivisionError("secret detail"))
    service = Service("m/x", provider, MemoryLedger())
    assert await service.answer(question()) == Problem(kind="permanent", message="m/x failed at t: ZeroDivisionError")
    provider.said = None
    assert isinstance(await service.answer(question()), Answer)


async def test_without_a_ledger_nothing_is_asked() -> None:
    class Down(MemoryLedger):
        async def get(self, tenant: str, question: str) -> Kept | None:
            raise StoreDown("connection refused")

    provider = Counting()
    problem = await Service("m/x", provider, Down()).answer(question())
    assert isinstance(problem, Problem)
    assert (problem.kind, problem.retry_after) == ("transient", 1.0)
    assert provider.calls == 0


async def test_an_answer_that_could_not_be_stored_is_not_given() -> None:
    class Full(MemoryLedger):
        async def put(self, tenant: str, question: str, answer: Kept, **_: object) -> Kept:
            raise StoreDown("disk full")

    problem = await Service("m/x", Counting(), Full()).answer(question())
    assert isinstance(problem, Problem)
    assert problem.kind == "transient"


@pytest.mark.parametrize("text", ["x" * MAX_REPLY_BYTES, "\1" * (MAX_REPLY_BYTES // 6), "half \ud800"])
async def test_an_answer_that_the_bus_can_not_carry_is_not_stored(text: str) -> None:
    ledger = MemoryLedger()
    told = await Service("m/x", Counting(Completion(text=text)), ledger).answer(question())
    assert isinstance(told, Problem)
    assert told.kind == "permanent"
    assert not ledger.answers


async def test_an_answer_cut_off_by_the_model_says_so_also_from_the_ledger() -> None:
    service = Service("m/x", Counting(Completion(text="half", finish="length")), MemoryLedger())
    for _ in range(2):
        answer = await service.answer(question())
        assert isinstance(answer, Answer)
        assert answer.finish == "length"
