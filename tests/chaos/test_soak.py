"""The same seed breaks the same things in the same order."""

from __future__ import annotations

from tests.chaos.soak import KINDS, script


def test_a_seed_is_a_script() -> None:
    assert script(7) == script(7)
    assert script(7) != script(8)


def test_every_kind_of_fault_comes() -> None:
    assert {fault.kind for seed in range(20) for fault in script(seed).faults} == set(KINDS)
