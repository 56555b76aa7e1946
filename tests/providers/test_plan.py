from __future__ import annotations

from collections import Counter

import pytest

from tests.providers.plan import Faults, Plan, fault, plan


def test_a_list_is_used_up_by_model_then_by_all_then_what_is_always() -> None:
    faults = Faults(Plan(first={"a": ["500"], "*": ["429:1", "hang"]}, always={"a": "503"}))
    assert [faults.next(model, "q").kind for model in "abaab"] == ["500", "429", "hang", "503", "ok"]


def test_a_chance_depends_on_the_question_and_not_on_the_order() -> None:
    chances = Plan(chance={"500": 0.2, "hang": 0.1}, seed=3)
    names = [f"q{n}" for n in range(2000)]
    forth, back = Faults(chances), Faults(chances)
    met = {name: forth.next("a", name).kind for name in names}
    assert met == {name: back.next("a", name).kind for name in reversed(names)}
    counts = Counter(met.values())
    assert 330 < counts["500"] < 470
    assert 140 < counts["hang"] < 260
    assert Counter(forth.next("a", name).kind for name in names) != counts


def test_plans_as_text() -> None:
    assert plan("429:2, ok,hang") == Plan(first={"*": ["429:2", "ok", "hang"]})
    assert plan("") == Plan(first={"*": []})
    assert plan('{"always": {"a": "500"}}') == Plan(always={"a": "500"})
    assert (fault("429:2").status, fault("429:2").seconds) == (429, 2.0)


@pytest.mark.parametrize("text", ["explode", "200", "hang:soon", '{"chance": {"never": 1}}'])
def test_what_is_no_plan(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|float"):
        plan(text)
