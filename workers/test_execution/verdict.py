"""From what ran in the sandbox to a TestReport, and to the stage that has to mend what failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from contracts.artifacts import Contract, Finding, SourceTree, TestReport, TestResult, TestSuite
from workers.kit.ports import CommandResult, SandboxResult
from workers.kit.stage import Reject

from . import layout
from .blame import CODE, TESTS, Blame
from .records import Record, coverage, node_name, plain, records

Outcome = Literal["passed", "failed", "error", "skipped"]
Fault = tuple[str, Finding]
_WORST: tuple[Outcome, ...] = ("error", "failed", "skipped", "passed")
_MAX_FINDINGS = 50
_LOCK_INSTALL, _BUILD, _TEST, _START = 2, 3, 4, 5
"""How many commands have run when each step has."""


def judged(ran: SandboxResult, tree: SourceTree, suite: TestSuite, contract: Contract) -> TestReport | Reject:
    last = ran.commands[-1] if ran.commands else None
    if last is None or (len(ran.commands) <= _LOCK_INSTALL and last.exit != 0):
        told = _told(last) if last else "no command ran"
        return TestReport(verdict="not_run", reason=f"its locked packages could not be installed: {told}")
    if len(ran.commands) <= _BUILD and last.exit != 0:
        finding = Finding(rule="install", message=f"it can't be installed: {_told(last)}", path="pyproject.toml")
        report = TestReport(verdict="failed", reason=finding.message, findings=(finding,), output=_output(last))
        return Reject(report=report, findings=(finding,), target=CODE)
    return _tested(ran, tree, suite, contract)


def _tested(ran: SandboxResult, tree: SourceTree, suite: TestSuite, contract: Contract) -> TestReport | Reject:
    blame = Blame.of(tree, suite, contract)
    told = records(ran.collected.get(layout.RESULTS, b""))
    results = _results(told, suite, blame)
    faults = [blame.finding(record) for record in told if _failed(record)]
    asked = len(ran.commands) >= _START
    started = asked and ran.commands[_START - 1].exit == 0
    faults += [*_unfinished(told, ran.commands, blame), *_silent(told, results, suite)]
    # A run that used up the whole sandbox's memory or disk left nothing to start; that is already told of.
    faults += [_not_started(ran.commands[_START - 1], tree)] if asked and not started else []
    faults = list(dict.fromkeys(faults))[:_MAX_FINDINGS]
    report = TestReport(
        verdict="failed" if faults else "passed",
        reason=_counted(results),
        installed=True,
        started=started,
        results=results,
        coverage=coverage(ran.collected.get(layout.COVERAGE), blame.source.values()),
        findings=tuple(finding for _, finding in faults),
        output=_output(ran.commands[_TEST - 1]) if faults and not told else "",
    )
    if not faults:
        return report
    target = CODE if any(stage == CODE for stage, _ in faults) else TESTS
    return Reject(report=report, findings=tuple(f for stage, f in faults if stage == target), target=target)


def _failed(record: Record) -> bool:
    return record.kind == "collect" or (record.kind == "result" and record.outcome == "failed")


def _results(told: Iterable[Record], suite: TestSuite, blame: Blame) -> tuple[TestResult, ...]:
    """One for each test that ran, its worst run first, and one for each planned test that did not."""
    found: dict[str, tuple[Outcome, str]] = {}
    for record in told:
        if record.kind != "result":
            continue
        node, outcome = node_name(record.node), _outcome(record)
        if node not in found or _WORST.index(outcome) < _WORST.index(found[node][0]):
            found[node] = outcome, f"{record.error}: {plain(record.message)}" if record.error else ""
    for test in suite.tests:
        if not _ran(test.path, test.function, found):
            found[f"{test.path}::{test.function}"] = "error", "planned, but it did not run to its end"
    return tuple(
        TestResult(node=node, outcome=outcome, message=message, requirement_ids=blame.proven_by(node))
        for node, (outcome, message) in sorted(found.items())
    )


def _ran(path: str, function: str, nodes: Iterable[str]) -> bool:
    return any(node.startswith(f"{path}::") and node.endswith(f"::{function}") for node in nodes)


def _outcome(record: Record) -> Outcome:
    if record.outcome == "failed":
        return "failed" if record.when == "call" else "error"
    return "passed" if record.outcome == "passed" else "skipped"


def _unfinished(told: Sequence[Record], commands: Sequence[CommandResult], blame: Blame) -> list[Fault]:
    """The run ended before its end: what it was doing then is at fault."""
    if any(record.kind == "end" for record in told):
        return []
    ended = commands[_TEST - 1]
    why = _ending(ended)
    running = next((record.node for record in reversed(told) if record.kind == "start"), "")
    record = Record(kind="result", node=running, when="run", message=f"the test run {why}")
    return [blame.finding(record)]


def _silent(told: Sequence[Record], results: Iterable[TestResult], suite: TestSuite) -> list[Fault]:
    """Planned tests that are not there, although their file could be read and the run went to its end."""
    if not any(record.kind == "end" for record in told):
        return []
    if not any(record.kind in {"result", "collect"} for record in told):
        return [(TESTS, Finding(rule="no-tests", message="there is no test to run"))]
    broken = {record.node for record in told if record.kind == "collect"}
    missing = {result.node for result in results if result.message.startswith("planned, but")}
    return [
        (TESTS, Finding(rule="test-missing", message=f"{test.function} was planned but did not run", path=test.path,
                        requirement_ids=test.requirement_ids))
        for test in suite.tests
        if f"{test.path}::{test.function}" in missing and test.path not in broken
    ]  # fmt: skip


def _ending(result: CommandResult) -> str:
    if result.exit is not None:
        return f"ended with status {result.exit}"
    return "was ended by a signal" if result.reason == "signal" else f"met its limit of {result.reason}"


def _not_started(last: CommandResult, tree: SourceTree) -> Fault:
    entry = next((file.path for file in tree.files if file.path.endswith("/__main__.py")), "pyproject.toml")
    return CODE, Finding(rule="start", message=f"{' '.join(last.argv)} fails: {_told(last)}", path=entry)


def _told(result: CommandResult) -> str:
    if result.exit is None:
        return f"it {_ending(result)}"
    text = (
        (result.stdout if result.argv[1:2] == (f"{layout.FOLDER}/boot.py",) else "") or result.stderr or result.stdout
    )
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return plain("\n".join(lines[-4:])) or f"status {result.exit}"


def _output(result: CommandResult) -> str:
    return plain("\n".join((result.stdout + result.stderr).splitlines()[-8:]))


def _counted(results: Sequence[TestResult]) -> str:
    counts = [(outcome, sum(result.outcome == outcome for result in results)) for outcome in reversed(_WORST)]
    return ", ".join(f"{count} {outcome}" for outcome, count in counts if count) or "no test ran"
