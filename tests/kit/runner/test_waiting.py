"""A model's rate limit costs no attempt, and is waited for as long as it asks, up to a bound."""

from __future__ import annotations

import pytest

from tests.flow.noop import Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES, Draft, Verdict
from tests.kit.runner.test_protocol import rows
from workers.kit.llm.dialogue import Waiting
from workers.kit.runner import work
from workers.kit.runner.attempt import MOST_ASKED_S
from workers.kit.stores.drops import StoreDown


async def test_waiting_for_a_model_costs_no_attempt(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "AWAY_S", (0.01, 0.02))
    asked = 0

    async def limited(draft: Draft) -> Verdict:
        nonlocal asked
        asked += 1
        if asked < 4:
            raise Waiting("a/x takes 60 requests a minute", 0.05)
        return Verdict(good=True, of=draft.text)

    async with pipeline(servers, SMALL, STAGES | {"check": limited}, sweep_s=0.1, attempts=1) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        assert (await rows(running, workflow))["check", 1].attempts == 1
        assert asked == 4


@pytest.mark.parametrize(
    ("away", "least", "most"),
    [
        (StoreDown("x"), 1, 5),
        (Waiting("x"), 1, 5),
        (Waiting("x", 0.5), 1, 5),
        (Waiting("x", 60), 61, 65),
        (Waiting("x", 1e300), MOST_ASKED_S + 1, MOST_ASKED_S + 5),
        (Waiting("x", float("nan")), 1, 5),
        (Waiting("x", -3), 1, 5),
    ],
)
def test_the_pause_is_what_was_asked_for_and_a_little_more(away: StoreDown, least: float, most: float) -> None:
    assert least <= work._pause_s(away) <= most
