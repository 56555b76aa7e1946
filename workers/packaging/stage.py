"""Packaging: the project, its tests, documents, locks and evidence become one reproducible archive with a grade.

Wakes on test_execution, security_scanning, performance_analysis and documentation. Writes a `Capsule`. It never
refuses: a package that fell short is delivered with a grade that says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from contracts.artifacts import (
    Brief,
    Capsule,
    Contract,
    Docs,
    Lock,
    PerformanceReport,
    Requirements,
    SecurityReport,
    SourceTree,
    TestReport,
    TestSuite,
    ValidationReport,
)
from contracts.paths import UnsafePath
from workers.kit.capsule import BadArchive
from workers.kit.stage import Permanent, Run

from .assembly import assembled
from .parts import Parts


@dataclass(frozen=True, slots=True)
class Packaging:
    async def __call__(
        self,
        brief: Brief,
        requirements: Requirements,
        contract: Contract,
        lock: Lock,
        tree: SourceTree,
        suite: TestSuite,
        docs: Docs,
        validation: ValidationReport,
        security: SecurityReport,
        performance: PerformanceReport,
        tests: TestReport,
        run: Run,
    ) -> Capsule:
        parts = Parts(
            brief=brief,
            requirements=requirements,
            contract=contract,
            lock=lock,
            tree=tree,
            suite=suite,
            docs=docs,
            validation=validation,
            security=security,
            performance=performance,
            tests=tests,
        )
        try:
            return await asyncio.to_thread(assembled, parts, run.inputs, run.stood_in)
        except (BadArchive, UnsafePath) as error:
            raise Permanent(f"the capsule can't be packed: {error}") from error


STAGE = Packaging
