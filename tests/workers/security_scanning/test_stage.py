"""Security scanning with the real scanners on planted faults; a broken scanner is never a pass."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.artifacts import File, SecurityReport, SourceTree, encode
from tests.workers.semantic_validation.sample import tree
from workers.kit.stage import Reject
from workers.security_scanning import stage
from workers.security_scanning.stage import STAGE, scan

PLANTED = """\
import subprocess
import pickle
import yaml
import hashlib
import sqlite3
import tempfile

def run(name, body, db):
    subprocess.run(f"ls {name}", shell=True)
    pickle.loads(body)
    yaml.load(body)
    hashlib.md5(body)
    eval(name)
    db.execute("SELECT * FROM t WHERE n = '%s'" % name)
    open("/tmp/x", "w")
    exec(name)  # nosec
"""
# Put together here, so that no scanner of this repository stumbles over it.
SECRETS = {
    "AWS Access Key": "key = '" + "AKIA" + "J5K4WQ3ZPQ7XNBVA" + "'",
    "GitHub Token": "token = '" + "ghp_" + "x8Kd0pQ2rT5vW7yZ1aB3cD4eF6gH9iJ0kL2m" + "'",
    "Private Key": "text = '-----BEGIN " + "RSA PRIVATE KEY-----'",
    "Secret Keyword": "password = 'hunter2-but-longer'  # pragma: allowlist secret",
    "JSON Web Token": "jwt = 'eyJhbGciOiJIUzI1NiJ9."
    + "eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'",
    "Basic Auth Credentials": "url = 'https://joe:" + "s3cr3tpass" + "@example.org/'",
}


def one(text: str, path: str = "src/a.py") -> SourceTree:
    return SourceTree(files=(File(path=path, text=text),))


async def test_a_sound_project_passes_and_says_what_ran() -> None:
    report = await STAGE()(tree())
    assert isinstance(report, SecurityReport)
    assert [tool.split()[0] for tool in report.tools] == ["bandit", "detect-secrets"]
    assert all(tool.split()[1][0].isdigit() for tool in report.tools)
    assert (report.files_scanned, report.not_run) == (5, ())
    assert not [finding for finding in report.findings if finding.severity == "error"]


async def test_planted_faults_are_rejected_at_their_lines() -> None:
    verdict = await STAGE()(one(PLANTED))
    assert isinstance(verdict, Reject)
    assert verdict.target == "code_generation"
    errors = {(finding.line, finding.rule) for finding in verdict.findings}
    assert {(9, "B602"), (10, "B301"), (11, "B506"), (12, "B324"), (13, "B307"), (14, "B608"), (15, "B108")} <= errors
    assert (16, "B102") in errors, "a comment may not excuse it"
    assert {finding.path for finding in verdict.findings} == {"src/a.py"}
    assert isinstance(verdict.report, SecurityReport)
    assert (2, "B403", "note") in {(f.line, f.rule, f.severity) for f in verdict.report.findings}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("path", ["src/a.py", "config/app.yaml", ".env", "poetry.lock", "swagger/a.json"])
async def test_secrets_are_rejected_and_not_repeated(kind: str, path: str) -> None:
    text = f"import os\n\n{SECRETS[kind]}\n"
    verdict = await STAGE()(one(text, path))
    assert isinstance(verdict, Reject), kind
    assert (f"looks like a secret: {kind}", 3) in {(f.message, f.line) for f in verdict.findings}
    value = SECRETS[kind].split("'")[1]
    assert value.encode() not in encode(verdict.report)[0]


async def test_nothing_is_asked_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a scanner opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    report = scan(one("\n".join(SECRETS.values())))
    assert report.not_run == ()
    assert len(report.findings) >= len(SECRETS)


async def test_a_file_that_bandit_can_not_read_is_no_pass() -> None:
    report = await STAGE()(one("def f(:\n"))
    assert isinstance(report, SecurityReport)
    assert [tool.split()[0] for tool in report.tools] == ["detect-secrets"]
    (reason,) = report.not_run
    assert reason.startswith("bandit")
    assert "src/a.py" in reason
    assert "ql-scan" not in reason


async def test_a_scanner_that_crashes_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: object) -> list[object]:
        raise RuntimeError("boom")

    monkeypatch.setattr(stage, "SCANNERS", (("broken 1.0", crash), *stage.SCANNERS[1:]))
    report = await STAGE()(one("x = 1\n"))
    assert isinstance(report, SecurityReport)
    assert report.not_run == ("broken 1.0: RuntimeError: boom",)
    assert [tool.split()[0] for tool in report.tools] == ["detect-secrets"]


@pytest.mark.parametrize("name", ["../../escape.py", "/etc/x.py", "a\x00b.py", "n" * 300 + ".py", "con.py"])
async def test_hostile_names_stay_out_of_the_file_system(name: str) -> None:
    verdict = await STAGE()(one("eval(input())\n", name))
    assert isinstance(verdict, Reject)
    assert {finding.path for finding in verdict.findings} == {name}


def test_the_same_tree_has_the_same_report_on_any_number_of_threads() -> None:
    trees = [one(PLANTED), one("\n".join(SECRETS.values())), tree()] * 2
    alone = [encode(scan(each))[0] for each in trees]
    with ThreadPoolExecutor(4) as pool:
        assert [encode(report)[0] for report in pool.map(scan, trees)] == alone
