"""Test execution: the package is installed from its lock, tested with coverage and started, all in the sandbox.

Wakes on `semantic_validation` and `test_generation`. Writes a `TestReport`, or rejects to whichever of code_generation
and test_generation is at fault. Where nothing could be run the verdict is `not_run`, never `passed`. The report holds
no clock and no path of a machine: the same input gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.artifacts import Contract, Finding, Lock, SourceTree, TestReport, TestSuite
from contracts.paths import UnsafePath
from workers.kit.ports import NotAvailable, Sandbox
from workers.kit.stage import Reject

from . import layout
from .blame import CODE
from .verdict import judged


@dataclass(frozen=True, slots=True)
class TestExecution:
    sandbox: Sandbox

    __test__ = False

    async def __call__(self, tree: SourceTree, suite: TestSuite, lock: Lock, contract: Contract) -> TestReport | Reject:
        if lock.findings or not lock.requirements_dev:
            told = "; ".join(finding.message for finding in lock.findings) or "the lock is empty"
            return TestReport(verdict="not_run", reason=f"its packages can't be had: {told}")
        try:
            ran = await self.sandbox.run(
                layout.files(tree, suite, lock, contract),
                layout.commands(suite, contract),
                wheels=lock.wheels,
                collect=(layout.RESULTS, layout.COVERAGE),
                limits=layout.LIMITS,
            )
        except UnsafePath as error:
            finding = Finding(rule="unsafe-path", message=str(error))
            report = TestReport(verdict="failed", reason="a file name can't be written", findings=(finding,))
            return Reject(report=report, findings=(finding,), target=CODE)
        if isinstance(ran, NotAvailable):
            return TestReport(verdict="not_run", reason=f"there is no sandbox here: {ran.reason}")
        return judged(ran, tree, suite, contract)


STAGE = TestExecution
