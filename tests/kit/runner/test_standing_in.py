"""A stand-in's answer is told by the artifact that was made from it, and by all that are made from that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from contracts.artifacts import Submission, encode
from contracts.artifacts.stand_ins import StandIn, stand_ins
from contracts.events import Input, ModelCalls
from tests.kit.runner.small import Draft, Side, Verdict, accept
from tests.kit.runner.test_attempt import attempts, claim_of
from workers.kit.stage import Run
from workers.kit.stores.drops import Completed, InputDrop
from workers.kit.stores.memory import MemoryArtifacts
from workers.kit.tally import count

WHY = "the workflow's budget of 0.01 USD would be crossed"
DRAFTED = StandIn(stage="draft", model="blueprint/default", reason=WHY)


def over(estimate: float) -> ModelCalls:
    return ModelCalls(role="r", model="blueprint/default", calls=1, instead=f"{WHY}: this call may cost {estimate} USD")


async def made(call: object, stage: str, artifacts: MemoryArtifacts, **inputs: bytes) -> bytes:
    outcome = await attempts(call, stage, artifacts).make(claim_of(stage, **await _kept(artifacts, inputs)))
    assert isinstance(outcome, Completed)
    return await artifacts.get(outcome.artifact)


async def _kept(artifacts: MemoryArtifacts, inputs: Mapping[str, bytes]) -> dict[str, InputDrop]:
    kept = {}
    for name, body in inputs.items():
        ref = await artifacts.put("default", body)
        told = Input(stage=name, revision=1, sha256=ref.sha256)
        kept[name] = InputDrop(input=told, ref=ref, media_type="application/json")
    return kept


async def test_from_the_answer_to_all_that_is_made_from_it() -> None:
    artifacts, seen = MemoryArtifacts(), []

    async def draft(submission: Submission) -> Draft:
        count(over(0.5))
        return Draft(text="d")

    async def side(draft: Draft, run: Run) -> Side:
        seen.append(run.stood_in)
        count(ModelCalls(role="r", model="a/x", calls=1))
        return Side(text=draft.text)

    first = await made(draft, "draft", artifacts)
    assert stand_ins(first) == (DRAFTED,)
    second = await made(side, "side", artifacts, draft=first)
    assert seen == [(DRAFTED,)]
    assert stand_ins(second) == (DRAFTED,)


async def test_a_stage_that_was_done_anew_by_the_wanted_model_is_rid_of_it() -> None:
    """What it had made before, and the report on that, tell of a stand-in that is no more."""
    artifacts = MemoryArtifacts()

    async def again(submission: Submission, previous: Draft | None = None, verdict: Verdict | None = None) -> Draft:
        assert previous is not None
        return Draft(text=f"{previous.text}+")

    old = encode(Draft(text="d"), (DRAFTED,))[0]
    drops = await _kept(artifacts, {"draft": old, "check": await made(accept, "check", artifacts, draft=old)})
    outcome = await attempts(again, "draft", artifacts).make(replace(claim_of("draft"), repair=drops))
    assert isinstance(outcome, Completed)
    assert stand_ins(await artifacts.get(outcome.artifact)) == ()


async def test_what_a_stand_in_made_is_taken_over_by_no_fork() -> None:
    async def by_the_stand_in(submission: Submission) -> Draft:
        count(over(0.5))
        return Draft(text="d")

    async def by_the_wanted(submission: Submission) -> Draft:
        count(ModelCalls(role="r", model="a/x", calls=1))
        return Draft(text="d")

    memos = []
    for call in (by_the_stand_in, by_the_wanted):
        outcome = await attempts(call, "draft", MemoryArtifacts()).make(claim_of("draft"))
        assert isinstance(outcome, Completed)
        memos.append(bool(outcome.memo))
    assert memos == [False, True]


async def test_calls_at_once_give_the_same_bytes_whoever_is_first() -> None:
    bodies = set()
    for order in ((0.25, 0.5), (0.5, 0.25)):

        async def draft(submission: Submission) -> Draft:
            async with asyncio.TaskGroup() as group:
                for estimate in order:  # noqa: B023  # called here
                    group.create_task(asyncio.to_thread(count, over(estimate)))
            return Draft(text="d")

        bodies.add(await made(draft, "draft", MemoryArtifacts()))
    assert len(bodies) == 1
