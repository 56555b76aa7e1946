"""test_plan_generation, test_generation and test_execution: what shall be tested, the tests, and their verdict."""

from __future__ import annotations

from typing import Literal

import msgspec

from .files import File
from .findings import Finding


class PlannedTest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test to be written (T-001…): what it proves, in which file, under which function name."""

    id: str
    title: str
    path: str
    function: str
    requirement_ids: tuple[str, ...]
    acceptance_ids: tuple[str, ...] = ()
    kind: Literal["behaviour", "error", "boundary"] = "behaviour"


class TestPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All planned tests; every requirement with priority 'must' stands in at least one."""

    tests: tuple[PlannedTest, ...]

    __test__ = False  # pytest would collect a class named Test…


class TestSuite(msgspec.Struct, frozen=True, kw_only=True):
    """The written test files, and the plan they carry out."""

    files: tuple[File, ...]
    tests: tuple[PlannedTest, ...]

    __test__ = False


class TestResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test as it ran: `node` is pytest's id without parameters; parametrised runs are merged, worst first."""

    node: str
    outcome: Literal["passed", "failed", "error", "skipped"]
    message: str = ""
    requirement_ids: tuple[str, ...] = ()

    __test__ = False


class FileCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """Executable and covered lines of one source file."""

    path: str
    lines: int
    covered: int


class TestReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict of the sandbox. `not_run` with its `reason` where none could be had: never 'passed'."""

    verdict: Literal["passed", "failed", "not_run"]
    reason: str = ""
    installed: bool = False
    started: bool = False
    results: tuple[TestResult, ...] = ()
    coverage: tuple[FileCoverage, ...] = ()
    findings: tuple[Finding, ...] = ()
    output: str = ""

    __test__ = False

    @property
    def line_coverage(self) -> float:
        """Covered share of executable lines, 0 to 1; 0 when nothing was measured."""
        lines = sum(file.lines for file in self.coverage)
        return sum(file.covered for file in self.coverage) / lines if lines else 0.0
