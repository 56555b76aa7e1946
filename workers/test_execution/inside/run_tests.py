"""Runs pytest under coverage and writes what happened as JSON lines, as it happens: a run that is killed still tells.

Arguments: the folder for results, then the test files. Nothing that is written depends on a clock.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

_MESSAGE = 1000


class Recorder:
    """A pytest plugin."""

    def __init__(self, path: Path) -> None:
        self._out = path.open("w", encoding="utf-8")

    def tell(self, **record: object) -> None:
        self._out.write(json.dumps(record) + "\n")
        self._out.flush()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell(kind="start", node=nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        outcome: Any = yield
        report = outcome.get_result()
        if report.when == "call" or report.outcome != "passed":
            fault = _fault(call.excinfo.value) if call.excinfo and report.failed else {}
            self.tell(kind="result", node=item.nodeid, when=report.when, outcome=report.outcome, **fault)

    def pytest_exception_interact(self, node: object, call: pytest.CallInfo[None], report: object) -> None:
        if isinstance(report, pytest.CollectReport) and call.excinfo:
            error = call.excinfo.value
            self.tell(kind="collect", node=report.nodeid, **_fault(error.__cause__ or error))


def _fault(error: BaseException) -> dict[str, object]:
    frames = [[frame.filename, frame.lineno or 0] for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append([error.filename, error.lineno or 0])
    return {"error": type(error).__name__, "message": _text(error), "frames": frames}


def _text(error: BaseException) -> str:
    if type(error).__name__ == "FixtureLookupError":
        return f"fixture {getattr(error, 'argname', '')!r} not found"
    try:
        return str(error)[:_MESSAGE]
    except Exception:  # noqa: BLE001 - the code under test may have broken that as well
        return ""


def main(folder: Path, paths: list[str]) -> int:
    measure = coverage.Coverage(config_file=str(folder / "coverage.ini"))
    recorder = Recorder(folder / "results.jsonl")
    measure.start()
    status = pytest.main(
        ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "--continue-on-collection-errors", *paths],
        plugins=[recorder],
    )
    measure.stop()
    measure.save()
    recorder.tell(kind="end", status=int(status))
    measure.combine()
    measure.json_report(outfile=str(folder / "coverage.json"))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
