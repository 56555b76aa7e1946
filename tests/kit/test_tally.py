"""What the models did for an attempt stands in what the attempt hands over."""

from __future__ import annotations

import asyncio

import msgspec

from contracts.events import ModelCalls
from tests.kit.llm.asking import Chain, Pair
from tests.kit.runner.small import Draft
from tests.kit.runner.test_attempt import attempts, claim_of
from workers.kit.llm.wire import Answer, Problem, Question, Tried
from workers.kit.stage import Run
from workers.kit.stores.drops import Completed
from workers.kit.stores.memory import MemoryArtifacts
from workers.kit.tally import MOST_LETTERS, Tally, count, tally

CALLS = (ModelCalls(role="programmer", model="b/y", calls=2, known=1, cost=0.5, tried=("a/x",), instead="too dear"),)


class Costly(Chain):
    """Its second model answers in the place of the first."""

    async def ask(self, question: Question) -> Answer | Problem:
        answer = await super().ask(question)
        assert isinstance(answer, Answer)
        known = len(self.asked) == 1
        tried = (Tried(model="a/x", error="429"),)
        return msgspec.structs.replace(answer, tokens_in=10, tokens_out=3, cost=0.25, known=known, tried=tried)


async def test_an_attempt_tells_what_was_asked_in_all_of_its_tasks() -> None:
    llm = Costly(model=['{"left": 1}', '{"left": 2}', '{"left": 3}'])

    async def draft(run: Run) -> Draft:
        asked = [llm.complete(run, task="frd_generation", inputs={"n": n}, into=Pair) for n in range(3)]
        return Draft(text=str(await asyncio.gather(*asked)))

    outcome = await attempts(draft, "draft", MemoryArtifacts()).make(claim_of("draft"))
    assert isinstance(outcome, Completed)
    (calls,) = outcome.calls
    assert calls == ModelCalls(
        role=llm.asked[0].role,
        model="model",
        calls=3,
        known=1,
        tokens_in=30,
        tokens_out=9,
        cost=0.75,
        tried=("a/x",),
    )


async def test_a_stage_without_a_model_tells_of_none() -> None:
    async def draft(run: Run) -> Draft:
        return Draft(text="d")

    outcome = await attempts(draft, "draft", MemoryArtifacts()).make(claim_of("draft"))
    assert isinstance(outcome, Completed)
    assert outcome.calls == ()


def test_what_is_told_stays_small() -> None:
    counted = Tally()
    for number in range(100):
        counted.add(ModelCalls(role="r", model="m", calls=1, tried=(f"m{number}",), instead="\0" * 10_000))
        counted.add(ModelCalls(role="r", model=f"m{number}", calls=1))
    assert len(counted.told()) == 20
    first = counted.told()[0]
    assert (first.calls, len(first.tried), first.instead) == (100, 20, "\N{REPLACEMENT CHARACTER}" * MOST_LETTERS)


def test_nobody_counts_outside() -> None:
    with tally() as outer:
        with tally() as inner:
            count(CALLS[0])
        assert inner.told() == CALLS
    count(CALLS[0])
    assert outer.told() == ()
