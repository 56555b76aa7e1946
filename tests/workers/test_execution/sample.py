"""Tests for the sample project, and broken variants of them."""

from __future__ import annotations

from contracts.artifacts import File, PlannedTest, TestSuite

MODELS = """\
import pytest

from plums.models import Basket, Spoiled


@pytest.mark.parametrize("plums", [0, 1, 7])
def test_doubles(plums):
    assert Basket(plums).double() == Basket(2 * plums)


def test_refuses_less_than_none():
    with pytest.raises(Spoiled):
        Basket(-1).double()
"""
CLI = """\
import subprocess
import sys

from plums.cli import main


def test_prints(capsys):
    assert main(["3"]) == 0
    assert capsys.readouterr().out == "6\\n"


def test_tells_of_spoiled_plums(capsys):
    assert main(["--", "-3"]) == 1


class TestProgram:
    def test_runs(self):
        ran = subprocess.run([sys.executable, "-m", "plums", "4"], capture_output=True, text=True)
        assert ran.stdout == "8\\n"
"""


def planned(path: str, function: str, *ids: str) -> PlannedTest:
    return PlannedTest(id="T-001", title=function, path=path, function=function, requirement_ids=ids)


PLAN = (
    planned("tests/test_models.py", "test_doubles", "R-001"),
    planned("tests/test_models.py", "test_refuses_less_than_none", "R-002"),
    planned("tests/test_cli.py", "test_prints", "R-003"),
    planned("tests/test_cli.py", "test_tells_of_spoiled_plums", "R-002"),
    planned("tests/test_cli.py", "test_runs", "R-003"),
)


def suite(
    *, models: str = MODELS, cli: str = CLI, conftest: str = "", plan: tuple[PlannedTest, ...] = PLAN
) -> TestSuite:
    texts = {"tests/conftest.py": conftest, "tests/test_models.py": models, "tests/test_cli.py": cli}
    return TestSuite(files=tuple(File(path=path, text=text) for path, text in texts.items()), tests=plan)
