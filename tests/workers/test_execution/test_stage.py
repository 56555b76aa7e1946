"""Test execution in the real sandbox: what passes, what fails and whose fault it is, what was never run."""

from __future__ import annotations

import re
from typing import Protocol

import msgspec
import pytest

from contracts.artifacts import Finding, Lock, Route, SourceTree, TestReport, TestSuite, encode
from tests.workers.semantic_validation import sample
from tests.workers.semantic_validation.sample import contract, tree
from tests.workers.test_execution.sample import CLI, MODELS, PLAN, planned, suite
from workers.kit.ports import NotAvailable
from workers.kit.sandbox import Bubblewrap
from workers.kit.stage import Reject
from workers.test_execution.stage import STAGE

M, C = "src/plums/models.py", "src/plums/cli.py"


class Execute(Protocol):
    async def __call__(self, code: SourceTree | None = None, tests: TestSuite | None = None) -> TestReport | Reject: ...


@pytest.fixture
def execute(sandbox: Bubblewrap, lock: Lock) -> Execute:
    async def run(code: SourceTree | None = None, tests: TestSuite | None = None) -> TestReport | Reject:
        return await STAGE(sandbox)(code or tree(), tests or suite(), lock, contract())

    return run


async def rejected(
    execute: Execute, code: SourceTree | None = None, tests: TestSuite | None = None
) -> tuple[Reject, TestReport]:
    verdict = await execute(code, tests)
    assert isinstance(verdict, Reject), verdict
    assert isinstance(verdict.report, TestReport)
    assert verdict.report.verdict == "failed"
    return verdict, verdict.report


async def test_a_sound_package_passes_with_coverage_and_requirements(execute: Execute) -> None:
    report = await execute()
    assert isinstance(report, TestReport), report
    assert (report.verdict, report.reason, report.installed, report.started) == ("passed", "5 passed", True, True)
    assert {(r.node, r.outcome, r.requirement_ids) for r in report.results} == {
        ("tests/test_models.py::test_doubles", "passed", ("R-001",)),
        ("tests/test_models.py::test_refuses_less_than_none", "passed", ("R-002",)),
        ("tests/test_cli.py::test_prints", "passed", ("R-003",)),
        ("tests/test_cli.py::test_tells_of_spoiled_plums", "passed", ("R-002",)),
        ("tests/test_cli.py::TestProgram::test_runs", "passed", ("R-003",)),
    }
    assert {f.path for f in report.coverage} == {"src/plums/__init__.py", "src/plums/__main__.py", M, C}
    assert report.line_coverage == 1.0, "the started program counts too"


async def test_the_same_input_gives_the_same_bytes(execute: Execute) -> None:
    first, second = [await execute() for _ in range(2)]
    assert isinstance(first, TestReport)
    assert isinstance(second, TestReport)
    assert encode(first) == encode(second)
    broken = tree({M: sample.MODELS.replace("* 2", "* 3 + id(self) * 0")})
    failing = suite(models=MODELS + "\n\ndef test_object(tmp_path):\n    assert object() == [tmp_path]\n")
    (_, third), (_, fourth) = [await rejected(execute, broken, failing) for _ in range(2)]
    assert encode(third) == encode(fourth)
    assert b"/w/" not in encode(third)[0]
    assert b"/tmp" not in encode(third)[0]


async def test_a_wrong_value_is_the_codes_fault(execute: Execute) -> None:
    verdict, report = await rejected(execute, tree({M: sample.MODELS.replace("* 2", "* 3")}))
    assert verdict.target == "code_generation"
    failed = {r.node: r for r in report.results if r.outcome == "failed"}
    assert set(failed) == {
        "tests/test_models.py::test_doubles",
        "tests/test_cli.py::test_prints",
        "tests/test_cli.py::TestProgram::test_runs",
    }
    assert "assert" in failed["tests/test_models.py::test_doubles"].message
    assert {"R-001", "R-003"} == {name for finding in verdict.findings for name in finding.requirement_ids}
    by_requirement = {name: f.path for f in verdict.findings for name in f.requirement_ids}
    assert by_requirement["R-001"].startswith(("src/", "pyproject"))


async def test_an_error_in_the_code_is_told_at_its_line(execute: Execute) -> None:
    verdict, _ = await rejected(
        execute, tree({M: sample.MODELS.replace("Basket(self.plums * 2)", "Bsket(self.plums * 2)")})
    )
    assert verdict.target == "code_generation"
    assert {(f.path, f.line, f.rule) for f in verdict.findings if "NameError" in f.message} == {(M, 19, "test-call")}
    assert any("NameError: name 'Bsket' is not defined" in f.message for f in verdict.findings)


@pytest.mark.parametrize(
    ("models", "rule"),
    [
        (MODELS + "\n\ndef test_more():\n    assert undefined == 1\n", "test-call"),
        (MODELS + "\n\ndef test_more(no_such_fixture):\n    assert 1\n", "test-setup"),
        (MODELS + "\n\ndef test_more(:\n", "test-collection"),
        (MODELS.replace("Spoiled\n", "Spoiled, Pear\n"), "test-collection"),
        ("import nothing_of_that_name\n" + MODELS, "test-collection"),
        (MODELS.replace("def test_doubles", "def check_doubles"), "test-missing"),
    ],
)
async def test_a_broken_test_is_the_tests_fault(execute: Execute, models: str, rule: str) -> None:
    verdict, _ = await rejected(execute, tests=suite(models=models))
    assert verdict.target == "test_generation"
    assert {(f.path, f.rule) for f in verdict.findings} == {("tests/test_models.py", rule)}, verdict.findings


async def test_code_that_can_not_be_parsed_is_the_codes_fault(execute: Execute) -> None:
    """After the last round of semantic validation it gets here."""
    verdict, report = await rejected(execute, tree({C: sample.CLI + "x = = 1\n"}))
    assert verdict.target == "code_generation"
    assert {(C, 21)} <= {(f.path, f.line) for f in verdict.findings}
    assert [r.outcome for r in report.results if r.node.startswith("tests/test_models.py")] == ["passed", "passed"]


async def test_a_promised_name_that_is_not_there_is_the_codes_fault(execute: Execute) -> None:
    verdict, _ = await rejected(
        execute, tree({M: sample.MODELS.replace("Spoiled", "Rotten"), C: sample.CLI.replace("Spoiled", "Rotten")})
    )
    assert verdict.target == "code_generation"


async def test_with_both_at_fault_the_code_is_mended_first(execute: Execute) -> None:
    verdict, report = await rejected(
        execute,
        tree({M: sample.MODELS.replace("* 2", "* 3")}),
        suite(cli=CLI + "\n\ndef test_more():\n    assert undefined\n"),
    )
    assert verdict.target == "code_generation"
    assert not any(f.path.startswith("tests/") for f in verdict.findings)
    assert any("undefined" in f.message for f in report.findings)


async def test_a_package_that_does_not_build_is_not_installed(execute: Execute) -> None:
    verdict, report = await rejected(
        execute, tree({"pyproject.toml": sample.PYPROJECT.replace('version = "0.1.0"', "")})
    )
    assert (verdict.target, verdict.findings[0].path, report.installed) == ("code_generation", "pyproject.toml", False)
    assert "version" in verdict.findings[0].message


async def test_a_program_that_does_not_start_is_rejected(execute: Execute) -> None:
    text = "raise SystemExit(3)\n"
    verdict, report = await rejected(
        execute, tree({"src/plums/__main__.py": text}), suite(cli=CLI[: CLI.index("class")], plan=PLAN[:4])
    )
    assert not report.started
    assert [(f.rule, f.path) for f in verdict.findings] == [("start", "src/plums/__main__.py")]


async def test_tests_that_bring_the_run_down_are_named(execute: Execute) -> None:
    verdict, report = await rejected(
        execute,
        tree({M: sample.MODELS.replace("        if self", "        import os\n        os._exit(0)\n        if self")}),
    )
    assert report.verdict == "failed"
    assert any(
        "tests/test_cli.py::test_prints" in f.message and "ended with status 0" in f.message for f in verdict.findings
    )
    assert {r.outcome for r in report.results} == {"error"}


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        ("kept = [bytearray(1 << 20) for _ in range(4000)]", "the test run met its limit of memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "test_prints: the test run was ended by a signal"),
        ("import os; [os.write(fd, bytes(1 << 22)) for fd in range(3, 9)]", "the test run"),
    ],
)
async def test_a_run_that_meets_a_limit_is_no_pass(execute: Execute, attack: str, told: str) -> None:
    code = tree({M: sample.MODELS.replace("        if self", f"        {attack}\n        if self")})
    verdict, report = await rejected(execute, code)
    assert verdict.target == "code_generation"
    assert not any(result.outcome == "passed" for result in report.results)
    assert any(told in finding.message for finding in verdict.findings), verdict.findings


async def test_a_suite_without_a_test_is_no_pass(execute: Execute) -> None:
    verdict, _ = await rejected(execute, tests=suite(models="", cli="", plan=()))
    assert (verdict.target, verdict.findings[0].rule) == ("test_generation", "no-tests")


async def test_settings_of_the_code_can_not_deselect_its_tests(execute: Execute) -> None:
    ini = sample.PYPROJECT.replace('testpaths = ["tests"]', 'addopts = "-k nothing"\npython_functions = "nothing"')
    verdict, _ = await rejected(execute, tree({"pyproject.toml": ini}))
    assert {f.rule for f in verdict.findings} <= {"test-missing", "no-tests"}


SERVER = """\
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status})
        self.end_headers()


def main():
    {before}
    HTTPServer(("127.0.0.1", 8123), Handler).serve_forever()


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("status", "before", "message"),
    [
        (200, "pass", ""),
        (500, "pass", "it answers GET /plums with 500"),
        (200, "sys.exit(4)", "it ended with status 4 instead of listening"),
    ],
)
async def test_a_server_is_booted_asked_and_stopped(
    sandbox: Bubblewrap, lock: Lock, status: int, before: str, message: str
) -> None:
    code = tree({"src/plums/__main__.py": SERVER.replace("{status}", str(status)).replace("{before}", before)})
    api = msgspec.structs.replace(
        contract(help_=()),
        kind="rest_api",
        routes=(
            Route(method="GET", path="/plums/{id}", summary="", status=200),
            Route(method="GET", path="/plums", summary="", status=200),
        ),
        run=msgspec.structs.replace(contract().run, start=("python", "-m", "plums"), help=()),
    )
    verdict = await STAGE(sandbox)(code, suite(cli=CLI[: CLI.index("class")], plan=PLAN[:4]), lock, api)
    if not message:
        assert isinstance(verdict, TestReport), verdict
        assert verdict.started
    else:
        assert isinstance(verdict, Reject)
        assert [f.message.endswith(message) for f in verdict.findings if f.rule == "start"] == [True], verdict.findings


async def test_without_its_packages_nothing_is_run(sandbox: Bubblewrap) -> None:
    finding = Finding(rule="unresolvable", message="no-such-package: was not found")
    lock = Lock(python="3.11", requirements="", requirements_dev="", wheels="", findings=(finding,))
    report = await STAGE(sandbox)(tree(), suite(), lock, contract())
    assert isinstance(report, TestReport)
    assert (report.verdict, report.installed) == ("not_run", False)
    assert "no-such-package" in report.reason


async def test_a_wheel_that_is_not_the_locked_one_is_not_installed(sandbox: Bubblewrap, lock: Lock) -> None:
    other = re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.requirements_dev)
    report = await STAGE(sandbox)(tree(), suite(), msgspec.structs.replace(lock, requirements_dev=other), contract())
    assert isinstance(report, TestReport)
    assert (report.verdict, report.installed) == ("not_run", False)
    assert "could not be installed" in report.reason


async def test_without_a_sandbox_the_verdict_is_not_run(lock: Lock) -> None:
    class Nowhere:
        async def run(self, *_: object, **__: object) -> NotAvailable:
            return NotAvailable(reason="bubblewrap is not installed")

    report = await STAGE(Nowhere())(tree(), suite(), lock, contract())
    assert isinstance(report, TestReport)
    assert (report.verdict, report.results, report.coverage) == ("not_run", (), ())
    assert "bubblewrap is not installed" in report.reason


async def test_a_hostile_name_from_a_last_round_is_refused(execute: Execute) -> None:
    verdict, _ = await rejected(execute, tree({"../escape.py": "x = 1\n"}))
    assert (verdict.target, verdict.findings[0].rule) == ("code_generation", "unsafe-path")


async def test_a_test_outside_of_the_plan_counts_without_requirements(execute: Execute) -> None:
    report = await execute(tests=suite(models=MODELS + "\n\ndef test_more():\n    assert 1\n"))
    assert isinstance(report, TestReport)
    assert [r.requirement_ids for r in report.results if r.node.endswith("test_more")] == [()]
    assert planned("a", "b").requirement_ids == ()
