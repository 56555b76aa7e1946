"""The grade, by rule. Every rule below names the best grade it still allows; the worst one counts.

F  it can't be used: a file is missing, can't be parsed or delivered, or the package can't be installed
D  it is wrong: a test fails, it does not start, or a scanner's finding still stands
C  it is not proven: something was not run, a 'must' has no passing test, or less than 60 % of the lines are covered;
   or a model that stood in for the one that was wanted wrote a file, or answered a stage that this was made from
B  it is proven in part: less than 85 % of the lines are covered, a test was skipped, a stage's findings stand, or
   a sentence of the prompt shares few words with the requirements (see `heard`)
A  none of these
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.artifacts import File, Finding, Grade, StandIn
from workers.kit.capsule import TraceEntry

from .contents import GENERATING, Inputs
from .heard import unheard
from .parts import Parts

GOOD_COVERAGE = 0.85
FAIR_COVERAGE = 0.60
_SHOWN, _LETTERS = 3, 200

Reason = tuple[Grade, str]


def grade(
    parts: Parts,
    trace: Sequence[TraceEntry],
    left_out: Sequence[str],
    inputs: Inputs,
    stood_in: Sequence[StandIn] = (),
) -> tuple[Grade, tuple[str, ...]]:
    """The grade and its reasons as sentences, the gravest first; then what is good about it."""
    found = [
        *_unusable(parts, left_out),
        *_wrong(parts),
        *_unproven(parts, trace),
        *_answered_instead(parts, stood_in),
        *_written_instead(parts),
        *_partly(parts, inputs),
    ]
    found.sort(key=lambda reason: reason[0], reverse=True)
    worst: Grade = found[0][0] if found else "A"
    return worst, tuple(dict.fromkeys([*(sentence for _, sentence in found), *_merits(parts, trace)]))


def _unusable(parts: Parts, left_out: Sequence[str]) -> Iterator[Reason]:
    for sentence in left_out:
        yield "F", sentence
    errors = _errors(parts.validation.findings)
    if errors:
        yield "F", f"The code is not what its contract says: {_first(errors)}."
    if parts.lock.findings:
        yield "F", f"Its packages can't be had: {_first(parts.lock.findings)}."
    missing = sorted({file.path for file in parts.contract.files} - {file.path for file in parts.tree.files})
    if missing:
        yield "F", f"Files are missing: {', '.join(missing)}."
    if parts.tests.verdict == "failed" and not parts.tests.installed:
        yield "F", f"It can't be installed: {parts.tests.reason}."


def _wrong(parts: Parts) -> Iterator[Reason]:
    if parts.tests.verdict == "failed" and parts.tests.installed:
        bad = sum(result.outcome in {"failed", "error"} for result in parts.tests.results)
        if bad:
            yield "D", f"{bad} of {len(parts.tests.results)} tests fail: {_first(parts.tests.findings)}."
        else:
            yield "D", f"It does not pass its checks: {_first(parts.tests.findings)}."
    if parts.tests.installed and not parts.tests.started:
        yield "D", "It does not start."
    errors = _errors(parts.security.findings)
    if errors:
        yield "D", f"The scanners object: {_first(errors)}."


def _unproven(parts: Parts, trace: Sequence[TraceEntry]) -> Iterator[Reason]:
    if parts.tests.verdict == "not_run":
        yield "C", f"Its tests were not run: {parts.tests.reason}."
    for tool in parts.security.not_run:
        yield "C", f"A scanner did not run: {tool}."
    open_ = [entry.requirement for entry in trace if entry.priority == "must" and entry.verdict != "proven"]
    if open_:
        yield "C", f"No passing test proves {', '.join(open_)}, which must be met."
    if parts.tests.verdict != "not_run" and parts.tests.line_coverage < FAIR_COVERAGE:
        yield "C", f"Only {_percent(parts.tests.line_coverage)} of the lines are covered by its tests."


def _answered_instead(parts: Parts, stood_in: Sequence[StandIn]) -> Iterator[Reason]:
    """The stages whose files don't say so themselves."""
    written = (parts.docs.files, parts.tree.files, parts.suite.files)
    told = {stage for stage, files in zip(GENERATING, written, strict=True) if any(file.instead for file in files)}
    stages: dict[tuple[str, str], list[str]] = {}
    for one in sorted(stood_in):
        if one.stage not in told:
            stages.setdefault((one.model, one.reason), []).append(one.stage)
    for (model, reason), names in stages.items():
        were = "was" if len(names) == 1 else "were"
        yield "C", f"{' and '.join(names)} {were} answered by {model} instead: {reason[:_LETTERS]}."


def _written_instead(parts: Parts) -> Iterator[Reason]:
    """One sentence for each reason, however many files it is the reason for.

    What stands before a colon is the reason, after it come the numbers of one call: told where they are all the same.
    """
    files: tuple[File, ...] = (*parts.docs.files, *parts.tree.files, *parts.suite.files)
    why: dict[tuple[str, str], list[str]] = {}
    for file in files:
        if file.instead:
            sentence = " ".join(file.instead.split()).rstrip(".")
            why.setdefault((file.model, sentence.partition(": ")[0]), []).append(sentence)
    for (model, reason), sentences in sorted(why.items()):
        were = "was" if len(sentences) == 1 else "were"
        told = sentences[0] if len(set(sentences)) == 1 else reason
        yield "C", f"{len(sentences)} of {len(files)} files {were} written by {model} instead: {told[:_LETTERS]}."


def _partly(parts: Parts, inputs: Inputs) -> Iterator[Reason]:
    if FAIR_COVERAGE <= parts.tests.line_coverage < GOOD_COVERAGE:
        yield "B", f"{_percent(parts.tests.line_coverage)} of the lines are covered by its tests, less than 85 %."
    skipped = sum(result.outcome == "skipped" for result in parts.tests.results)
    if skipped:
        yield "B", f"{skipped} of {len(parts.tests.results)} tests were skipped."
    for statement in unheard(parts.brief.statements, parts.requirements):
        yield "B", f"It is not shown that this is answered: “{' '.join(statement.text.split())[:_LETTERS]}”"
    for stage in sorted(name for name, taken in inputs.items() if taken.unmet):
        yield "B", f"{stage} still had findings when no round of repair was left."


def _merits(parts: Parts, trace: Sequence[TraceEntry]) -> Iterator[str]:
    if parts.tests.verdict == "passed":
        share = _percent(parts.tests.line_coverage)
        yield f"All {len(parts.tests.results)} test functions pass in the sandbox and cover {share} of the lines."
    must = [entry for entry in trace if entry.priority == "must"]
    if must and all(entry.verdict == "proven" for entry in must):
        yield f"Each of the {len(must)} requirements that must be met is proven by a passing test."
    if parts.security.tools and not parts.security.not_run and not _errors(parts.security.findings):
        yield f"{' and '.join(parts.security.tools)} found nothing grave."
    if parts.performance.findings:
        yield f"{len(parts.performance.findings)} measures exceed their limits: {_first(parts.performance.findings)}."


def _errors(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.severity == "error")


def _first(findings: Sequence[Finding]) -> str:
    told = "; ".join(" ".join(str(finding).split())[:_LETTERS] for finding in findings[:_SHOWN])
    return told if len(findings) <= _SHOWN else f"{told}; and {len(findings) - _SHOWN} more"


def _percent(share: float) -> str:
    # Never rounded up over a limit.
    return f"{int(share * 1000) / 10:g} %"
