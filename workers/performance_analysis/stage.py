"""Performance analysis: complexity and size of every function, maintainability of every file.

Wakes on `semantic_validation`. Writes a `PerformanceReport`; it warns and never rejects. The limits are in `measures`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from contracts.artifacts import PerformanceReport, SourceTree
from workers.kit.parsing.alone import SYNTAX_TREES

from .measures import report


@dataclass(frozen=True, slots=True)
class PerformanceAnalysis:
    async def __call__(self, tree: SourceTree) -> PerformanceReport:
        return await asyncio.to_thread(_measured, tree)


def _measured(tree: SourceTree) -> PerformanceReport:
    with SYNTAX_TREES:
        return report(tree)


STAGE = PerformanceAnalysis
