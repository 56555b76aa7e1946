"""Which test plans are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from contracts.artifacts import PlannedTest, TestPlan
from tests.workers.chain import plan, requirements
from workers.kit.stage import Unfit
from workers.test_plan_generation.stage import check


def first(change: Callable[[PlannedTest], PlannedTest]) -> TestPlan:
    tests = plan().tests
    return TestPlan(tests=(change(tests[0]), *tests[1:]))


def test_a_sound_plan_passes() -> None:
    check(plan(), requirements())


@pytest.mark.parametrize(
    "path",
    [
        "../test_x.py", "/tests/test_x.py", "src/test_x.py", "tests/x.py", "tests/conftest.py", "tests/../test_x.py",
        "tests/test_a\0.py", f"tests/test_{'n' * 300}.py", "tests/test_x.txt", "",
    ],
)  # fmt: skip
def test_a_path_that_pytest_should_not_have_is_refused(path: str) -> None:
    with pytest.raises(Unfit):
        check(first(lambda test: replace(test, path=path)), requirements())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: replace(t, id="X"), "'X' is no id for tests"),
        (lambda t: replace(t, function="checks"), "does not begin with test_"),
        (lambda t: replace(t, function="test_a b"), "the function of T-001"),
        (lambda t: replace(t, function="test_a(x): import os"), "the function of T-001"),
        (lambda t: replace(t, title=""), "title of T-001 is empty"),
        (lambda t: replace(t, requirement_ids=()), "T-001 proves no requirement"),
        (lambda t: replace(t, requirement_ids=("R-999",)), "T-001 names 'R-999'"),
        (lambda t: replace(t, acceptance_ids=("A-999",)), "T-001 names 'A-999'"),
    ],
)
def test_a_test_that_breaks_a_rule_is_refused(change: Callable[[PlannedTest], PlannedTest], sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check(first(change), requirements())


def test_a_must_that_nobody_tests_is_missed() -> None:
    only = replace(plan().tests[0], requirement_ids=("R-001",))
    with pytest.raises(Unfit, match="no test is planned for R-002"):
        check(TestPlan(tests=(only,)), requirements())


def test_the_same_test_twice_is_refused() -> None:
    test = plan().tests[0]
    with pytest.raises(Unfit, match="two tests are called"):
        check(TestPlan(tests=(*plan().tests, replace(test, id="T-9999"))), requirements())
    with pytest.raises(Unfit, match="1 to 2000 tests"):
        check(TestPlan(tests=()), requirements())
