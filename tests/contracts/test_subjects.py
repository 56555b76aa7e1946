"""Subjects: what is built is parsed back; nothing else is accepted."""

from __future__ import annotations

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from contracts import subjects
from contracts.subjects import BadSubject, EventSubject
from contracts.topology import TOPOLOGY

TOKENS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


@given(tenant=TOKENS, workflow=TOKENS, stage=TOKENS, outcome=TOKENS, revision=st.integers(1, 999_999_999), unit=TOKENS)
def test_an_event_subject_comes_back(
    tenant: str, workflow: str, stage: str, outcome: str, revision: int, unit: str
) -> None:
    parts = EventSubject(tenant=tenant, workflow=workflow, stage=stage, outcome=outcome, revision=revision, unit=unit)
    assert subjects.parse_event(str(parts)) == parts


@given(st.text(max_size=120))
def test_any_other_text_is_refused_with_a_sentence(text: str) -> None:
    with contextlib.suppress(BadSubject):
        assert str(subjects.parse_event(text)) == text


@pytest.mark.parametrize("bad", ["", "a.b", "a b", "*", ">", "x" * 65, "ü", "a\x00"])
def test_a_token_holds_nothing_that_changes_a_subject(bad: str) -> None:
    with pytest.raises(BadSubject):
        subjects.token(bad)


def test_a_wake_comes_back() -> None:
    assert subjects.parse_wake(subjects.wake("packaging", "default", "W1")) == ("packaging", "default", "W1")


def test_a_nudge_comes_back_and_only_as_what_it_is() -> None:
    assert subjects.parse_watched(subjects.watched("default", "W1")) == ("default", "W1")
    assert subjects.parse_cancel(subjects.cancel("default", "W1")) == ("default", "W1")
    for parse, other in ((subjects.parse_watched, subjects.cancel), (subjects.parse_cancel, subjects.watched)):
        with pytest.raises(BadSubject):
            parse(other("default", "W1"))


def test_every_completion_but_the_last_wakes_somebody_and_units_wake_nobody() -> None:
    filters = {name: subjects.wakes(name, TOPOLOGY) for name in TOPOLOGY.stages}
    for name in TOPOLOGY.stages.keys() - {TOPOLOGY.last.name}:
        assert any(f"ql.evt.*.*.{name}.completed.*" in wanted for wanted in filters.values())
    assert all(not pattern.startswith("ql.evt.") or pattern.endswith(".*") for w in filters.values() for pattern in w)
