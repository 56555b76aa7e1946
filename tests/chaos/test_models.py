"""What F31 looks for, it sees."""

from __future__ import annotations

from tests.flow.asked import asked_again, idle
from tests.providers.server import Call


def call(question: str, at: float) -> Call:
    return Call(at=at, wire="openai", model="one", question=question)


def test_a_question_after_its_stored_answer_is_seen_one_before_it_is_not() -> None:
    calls = [call("a", 1.0), call("a", 1.5), call("b", 2.0), call("never stored", 9.0)]
    assert asked_again({"a": 2.0, "b": 2.5}, calls) == []
    (late,) = asked_again({"a": 2.0, "b": 2.5}, [*calls, call("a", 2.25)])
    assert late == "a was asked 0.25 s after its answer"


def test_answers_to_questions_that_nobody_asked_and_an_empty_ledger_are_seen() -> None:
    assert "1 of 2 stored answers" in asked_again({"a": 2.0, "x": 2.0}, [call("a", 1.0)])[0]
    assert asked_again({}, [call("a", 1.0)]) == ["nothing is in the ledger"]


def test_a_death_in_no_call_is_seen() -> None:
    calls = [Call(at=1.0, took=0.5, wire="openai", model="one", question="a")]
    assert idle([1.0, 1.2, 1.55], calls) == []
    assert idle([1.2, 0.9, 1.7], calls) == ["2 of 3 deaths were in no call"]
    assert idle([1.2], []) == ["1 of 1 deaths were in no call"]
