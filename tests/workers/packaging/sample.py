"""The parts of a package that has nothing to be ashamed of; tests take something away."""

from __future__ import annotations

from typing import Any

import msgspec

from contracts.artifacts import (
    Acceptance,
    Brief,
    Docs,
    File,
    FileCoverage,
    Lock,
    PerformanceReport,
    Requirement,
    Requirements,
    SecurityReport,
    Statement,
    TestReport,
    TestResult,
    ValidationReport,
)
from contracts.events import Input
from contracts.topology import TOPOLOGY
from tests.workers.semantic_validation.sample import contract, tree
from tests.workers.test_execution.sample import suite
from workers.kit.stage import Run
from workers.packaging.parts import Parts

INPUTS = {
    name: Input(stage=name, revision=1, sha256=f"{number:064x}")
    for number, name in enumerate(sorted(TOPOLOGY.ancestors("packaging")))
}
RUN = Run(tenant="default", workflow="01JZZZZZZZZZZZZZZZZZZZZZZZ", stage="packaging", revision=1, inputs=INPUTS)


def _requirement(name: str, priority: Any) -> Requirement:
    shown = Acceptance(id=f"A-{name}", given="plums", when="doubled", then="twice as many", observable="return")
    return Requirement(id=name, kind="function", text=f"It does {name}.", priority=priority, acceptance=(shown,))


PARTS = Parts(
    brief=Brief(
        name="plums",
        title="Plums",
        summary="Counts plums.",
        kind="cli",
        language="python",
        statements=(Statement(id="S-001", text="A command line tool that counts plums."),),
    ),
    requirements=Requirements(
        name="plums",
        title="Plums",
        summary="Counts plums.",
        kind="cli",
        language="python",
        requirements=(_requirement("R-001", "must"), _requirement("R-002", "must"), _requirement("R-003", "should")),
    ),
    contract=contract(),
    lock=Lock(python="3.11", requirements="", requirements_dev="pytest==9 --hash=sha256:00\n", wheels="w"),
    tree=tree(),
    suite=suite(),
    docs=Docs(files=(File(path="README.md", text="# Plums\n", model="blueprint/default", question="d" * 64),)),
    validation=ValidationReport(files_checked=5, checks=("syntax",)),
    security=SecurityReport(tools=("bandit 1", "detect-secrets 1"), files_scanned=5),
    performance=PerformanceReport(functions=(), files=()),
    tests=TestReport(
        verdict="passed",
        installed=True,
        started=True,
        results=(
            TestResult(node="tests/test_models.py::test_doubles", outcome="passed", requirement_ids=("R-001",)),
            TestResult(node="tests/test_cli.py::test_refuses", outcome="passed", requirement_ids=("R-002", "R-003")),
        ),
        coverage=(FileCoverage(path="src/plums/cli.py", lines=100, covered=90),),
    ),
)


def parts(**changes: Any) -> Parts:
    """`tests__verdict='failed'` changes a field of a part."""
    made = PARTS
    for name, value in changes.items():
        part, _, field = name.partition("__")
        new = msgspec.structs.replace(getattr(made, part), **{field: value}) if field else value
        made = msgspec.structs.replace(made, **{part: new})
    return made
