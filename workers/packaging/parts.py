"""What packaging is given."""

from __future__ import annotations

import msgspec

from contracts.artifacts import (
    Brief,
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


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The due artifact of every stage that something in the capsule comes from."""

    brief: Brief
    requirements: Requirements
    contract: Contract
    lock: Lock
    tree: SourceTree
    suite: TestSuite
    docs: Docs
    validation: ValidationReport
    security: SecurityReport
    performance: PerformanceReport
    tests: TestReport
