"""How an attempt ends: what a stage asks for in waiting is believed only within reason."""

from __future__ import annotations

import pytest

from contracts import artifacts as bodies
from contracts.artifacts import Submission
from contracts.events import Input
from tests.kit.runner.small import SMALL, Draft, Verdict
from workers.kit.binding import bind
from workers.kit.runner.attempt import Attempts, BackOff
from workers.kit.stage import Transient
from workers.kit.stores.drops import Claim, InputDrop, Retry
from workers.kit.stores.memory import MemoryArtifacts

BACK_OFF = BackOff(least_s=2, most_s=2)


async def after(asked: float | None) -> float:
    """Seconds until the next attempt of a stage that asks for so many."""

    async def check(draft: Draft) -> Verdict:
        raise Transient("busy", asked)

    artifacts = MemoryArtifacts()
    body, media_type = bodies.encode(Draft(text="d"))
    ref = await artifacts.put("default", body)
    told = Input(stage="draft", revision=1, sha256=ref.sha256)
    claim = Claim(
        drop="d",
        tenant="default",
        workflow="w",
        stage="check",
        revision=1,
        epoch=1,
        attempt=1,
        submission=Submission(prompt="p"),
        inputs={"draft": InputDrop(input=told, ref=ref, media_type=media_type)},
        repair={},
    )
    binding = bind(check, "check", SMALL)
    outcome = await Attempts(binding, binding.instance({}), artifacts, limit=5, back_off=BACK_OFF).make(claim)
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
