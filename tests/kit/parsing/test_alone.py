"""Whoever makes Python syntax trees in a thread waits until nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from contracts.artifacts import SourceTree
from tests.workers.semantic_validation.sample import tree
from workers.kit.parsing.alone import SYNTAX_TREES
from workers.performance_analysis.stage import PerformanceAnalysis
from workers.security_scanning.stage import SecurityScanning

Stage = Callable[[SourceTree], Awaitable[msgspec.Struct]]


@pytest.mark.parametrize("stage", [PerformanceAnalysis(), SecurityScanning()], ids=["radon", "bandit"])
async def test_a_stage_waits_for_its_turn(stage: Stage) -> None:
    async def made() -> msgspec.Struct:
        return await stage(tree())

    with SYNTAX_TREES:
        working = asyncio.create_task(made())
        done, _ = await asyncio.wait({working}, timeout=1)
        assert not done
    assert isinstance(await working, msgspec.Struct)
