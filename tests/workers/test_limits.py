"""Each stage's time limit leaves room for the limits of what it does inside, and no stage may outlast its workflow."""

from __future__ import annotations

import pytest

from contracts.topology import TOPOLOGY
from workers.kit.llm.dialogue import MOST_MODELS
from workers.kit.registry import download, resolve
from workers.kit.sandbox import session
from workers.kit.settings import Settings
from workers.semantic_validation import python_files
from workers.test_execution import layout

USABLE_S = MOST_MODELS * 2 * Settings().model_s
"""For a usable answer: each model is asked once more where its first one is of no use."""

ONE_AFTER_ANOTHER = {"test_generation": 2}
"""Questions of a stage that wait for each other, where there are more than one."""

INSIDE = {name: ONE_AFTER_ANOTHER.get(name, 1) * USABLE_S for name, row in TOPOLOGY.stages.items() if row.asks_model}
INSIDE |= {
    "dependency_resolution": 2 * 2 * resolve._WALL_S + download._WALL_S,
    "semantic_validation": 2 * python_files._WALL_S,  # a file that hangs the compiler, then the rest
    "test_execution": session._START_S + layout.LIMITS.wall_s + 2 * session._GRACE_S,
}
COMPUTES = {"security_scanning", "performance_analysis", "packaging"}
"""Stages without a limit of their own: nothing there waits."""


@pytest.mark.parametrize("name", sorted(INSIDE))
def test_a_stages_own_limits_fit_in_its_time(name: str) -> None:
    assert INSIDE[name] < TOPOLOGY[name].limit_s < Settings().deadline_s


def test_every_stage_is_looked_at() -> None:
    assert INSIDE.keys() | COMPUTES == TOPOLOGY.stages.keys()
    assert all(TOPOLOGY[name].limit_s <= 600 for name in COMPUTES)


def test_the_sandboxs_own_commands_fit_in_its_limit() -> None:
    assert layout.LIMITS.wall_s > layout.TESTS_WALL_S
