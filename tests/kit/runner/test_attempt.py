"""How an attempt ends: how long the next one waits, and where a capsule is put."""

from __future__ import annotations

import asyncio
import dataclasses

import msgspec
import pytest

from contracts import artifacts as bodies
from contracts.artifacts import Capsule, Submission
from contracts.events import Input
from tests.kit.runner.small import SMALL, Draft, Verdict
from workers.kit.binding import bind
from workers.kit.runner import attempt
from workers.kit.runner.attempt import Attempts, BackOff
from workers.kit.stage import Run, Transient
from workers.kit.stores.drops import Claim, Completed, InputDrop, Retry
from workers.kit.stores.memory import MemoryArtifacts

BACK_OFF = BackOff(least_s=2, most_s=2)


def claim_of(stage: str, **inputs: InputDrop) -> Claim:
    return Claim(
        drop="d",
        tenant="default",
        workflow="w",
        stage=stage,
        revision=1,
        epoch=1,
        attempt=1,
        submission=Submission(prompt="p"),
        inputs=inputs,
        repair={},
    )


def attempts(call: object, stage: str, artifacts: MemoryArtifacts) -> Attempts:
    binding = bind(call, stage, SMALL)
    return Attempts(binding, binding.instance({}), artifacts, limit=5, back_off=BACK_OFF)


@pytest.mark.parametrize(("attempt", "most_s"), [(1, 4), (2, 8), (7, 256), (8, 300), (5000, 300)])
def test_the_next_attempt_comes_at_any_moment_up_to_a_bound_that_doubles(attempt: int, most_s: float) -> None:
    pauses = [BackOff().after(attempt) for _ in range(500)]
    assert all(2 <= pause <= most_s for pause in pauses)
    width = most_s - 2
    assert min(pauses) < 2 + width / 10, "full jitter: as soon as late"
    assert max(pauses) > most_s - width / 10


async def test_a_packager_that_comes_late_overwrites_no_capsule() -> None:
    """Another release, or other inputs: two attempts at one row may make other bytes, and the first is committed."""
    artifacts, kept = MemoryArtifacts(), []
    for archive in (b"committed", b"late"):

        async def pack(run: Run) -> Capsule:
            return Capsule(name="n", grade="A", reasons=(), files=1, archive=archive)  # noqa: B023  # called here

        outcome = await attempts(pack, "pack", artifacts).make(claim_of("pack"))
        assert isinstance(outcome, Completed)
        kept.append(outcome.artifact)
    assert [await artifacts.get(ref) for ref in kept] == [b"committed", b"late"]
    assert [ref.key for ref in kept] == [f"capsules/default/w.{ref.sha256[:16]}.tar.gz" for ref in kept]


async def test_a_stage_that_takes_no_notice_of_its_time_limit_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "STOP_S", 0.05)
    told = 0

    async def draft(submission: Submission) -> Draft:
        nonlocal told
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told += 1
                if told == 3:
                    raise

    binding = bind(draft, "draft", SMALL)
    binding = dataclasses.replace(binding, row=msgspec.structs.replace(binding.row, limit_s=0.1))
    made = Attempts(binding, binding.instance({}), MemoryArtifacts(), limit=5, back_off=BACK_OFF)
    async with asyncio.timeout(10):
        outcome = await made.make(claim_of("draft"))
    assert isinstance(outcome, Retry)
    assert (told, outcome.error) == (3, "the stage took longer than 0.1 s")
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def after(asked: float | None) -> float:
    """Seconds until the next attempt of a stage that asks for so many."""

    async def check(draft: Draft) -> Verdict:
        raise Transient("busy", asked)

    artifacts = MemoryArtifacts()
    body, media_type = bodies.encode(Draft(text="d"))
    ref = await artifacts.put("default", body)
    told = Input(stage="draft", revision=1, sha256=ref.sha256)
    claim = claim_of("check", draft=InputDrop(input=told, ref=ref, media_type=media_type))
    outcome = await attempts(check, "check", artifacts).make(claim)
    assert isinstance(outcome, Retry)
    return outcome.after_s


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, 2),
        (0, 0),
        (7.5, 7.5),
        (120, 120),
        (3600, 120),
        (1e300, 120),
        (-1, 2),
        (float("nan"), 2),
        (float("inf"), 2),
        (float("-inf"), 2),
    ],
)
async def test_a_stage_may_ask_for_two_minutes_at_most(asked: float | None, given: float) -> None:
    assert await after(asked) == given
