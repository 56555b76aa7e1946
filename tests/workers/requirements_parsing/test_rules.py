"""Which lists of requirements are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from contracts.artifacts import Requirement, Requirements
from tests.workers.chain import frd, requirements
from workers.kit.stage import Unfit
from workers.requirements_parsing.stage import check


def first(change: Callable[[Requirement], Requirement]) -> Callable[[Requirements], Requirements]:
    return lambda parsed: replace(parsed, requirements=(change(parsed.requirements[0]), *parsed.requirements[1:]))


def circle(parsed: Requirements) -> Requirements:
    one, two, *rest = parsed.requirements
    return replace(
        parsed,
        requirements=(replace(one, depends_on=(two.id,)), replace(two, depends_on=(one.id,)), *rest),
    )


def test_a_sound_list_passes() -> None:
    check(requirements(), frd())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p: replace(p, name="other"), "the name was settled"),
        (lambda p: replace(p, requirements=()), "1 to 1000 requirements"),
        (lambda p: replace(p, requirements=p.requirements * 2), "two requirements are called 'R-001'"),
        (first(lambda r: replace(r, id="R1")), "'R1' is no id"),
        (first(lambda r: replace(r, acceptance=())), "R-001 has no acceptance item"),
        (first(lambda r: replace(r, acceptance=r.acceptance * 2)), "two acceptance items"),
        (first(lambda r: replace(r, acceptance=(replace(r.acceptance[0], then=""),))), "wording of A-001 is empty"),
        (first(lambda r: replace(r, source="F-999")), "R-001 names 'F-999'"),
        (first(lambda r: replace(r, source="", assumed=False)), "R-001 has no source"),
        (first(lambda r: replace(r, entity="Ghost")), "R-001 names 'Ghost'"),
        (first(lambda r: replace(r, depends_on=("R-999",))), "R-001 names 'R-999'"),
        (circle, "in a circle: R-00. -> R-00. -> R-00."),
        (lambda p: replace(p, requirements=p.requirements[:1]), "no requirement comes from F-"),
        (
            lambda p: replace(p, requirements=tuple(replace(r, priority="could") for r in p.requirements)),
            "no requirement has the priority 'must'",
        ),
    ],
)
def test_a_list_that_breaks_a_rule_is_refused(change: Callable[[Requirements], Requirements], sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check(change(requirements()), frd())
