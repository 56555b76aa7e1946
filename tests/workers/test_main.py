"""The command line of the workers: what it prints, and what it says to mistakes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workers
from contracts.topology import TOPOLOGY
from workers.__main__ import main

THERE = {"QL_NATS_URL": "nats://127.0.0.1:1", "QL_DATABASE_URL": "postgresql://127.0.0.1:1", "QL_S3_URL": "http://x"}


def test_the_list_names_every_stage_with_what_wakes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(TOPOLOGY.stages)
    assert lines[0].split()[1:] == ["workflow.submitted"]
    assert lines[-1].endswith("test_execution, security_scanning, performance_analysis, documentation")


def test_an_unknown_stage_is_named_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frd_generation", "poetry"]) == 2
    assert capsys.readouterr().err.startswith("no such stage: poetry; there are prompt_enhancement, ")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "a worker needs QL_NATS_URL, QL_DATABASE_URL, QL_S3_URL"),
        ({"QL_NATS_URL": "nats://127.0.0.1:1", "QL_S3_URL": "x"}, "a worker needs QL_DATABASE_URL;"),
        ({"QL_SLOTS": "many"}, "QL_SLOTS: "),
        ({"QL_COLOUR": "red"}, "QL_COLOUR is no setting"),
        (THERE | {"QL_HEARTBEAT_S": "50", "QL_ACK_WAIT_S": "60"}, "QL_HEARTBEAT_S is 50, which must be less than"),
        (THERE | {"QL_HEARTBEAT_S": "30", "QL_LEASE_S": "60"}, "QL_ACK_WAIT_S (30): else work"),
    ],
)
def test_a_missing_or_wrong_setting_is_named(
    environ: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["frd_generation"]) == 2
    assert sentence in capsys.readouterr().err


def test_a_worker_with_a_broken_prompt_does_not_start(tmp_path: Path) -> None:
    folder = Path(workers.__file__).parent
    shutil.copytree(folder, tmp_path / "workers", ignore=shutil.ignore_patterns("__pycache__"))
    answer = tmp_path / "workers" / "kit" / "prompts" / "templates" / "answer_again.md"
    answer.write_text(answer.read_text(encoding="utf-8").replace("{{fault}}", "{{falt}}"), encoding="utf-8")
    command = [sys.executable, "-m", "workers", "frd_generation"]
    ran = subprocess.run(command, cwd=tmp_path, env=os.environ | THERE, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2, ran.stderr
    assert "declares ['fault'], but has places for ['falt']" in ran.stderr


def test_nothing_asked_for_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "name at least one stage, or --all" in capsys.readouterr().err
