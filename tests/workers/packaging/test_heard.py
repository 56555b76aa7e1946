"""Sentences that became nothing are noticed; those that were taken up, introductions and courtesies are not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contracts.artifacts import Entity, Field, Operation, Statement
from tests.workers.packaging.sample import INPUTS, PARTS
from workers.packaging.grade import grade
from workers.packaging.heard import unheard

LOANS = replace(
    PARTS.requirements,
    entities=(
        Entity(
            name="Loan",
            plural="loans",
            fields=(
                Field(name="borrower"),
                Field(name="returned", type="boolean"),
                Field(name="due_date", type="date"),
            ),
        ),
    ),
    operations=(Operation(name="transition", entity="Loan", field="returned", to="true"),),
)


@pytest.mark.parametrize(
    "text",
    [
        "A hammer has a weight, a handle length and a colour.",
        "Loans which are overdue get escalated to the caretaker by telegram.",
    ],
)
def test_what_became_nothing_is_noticed(text: str) -> None:
    assert unheard([Statement(id="S-001", text=text)], LOANS)


@pytest.mark.parametrize(
    "text",
    [
        "Each loan knows its borrower and its due date.",
        "Loans are marked as returned by the borrowers.",
        "I want a command line tool so that neighbours stop quarrelling about hammers.",
        "Please keep it simple.",
        "",
    ],
)
def test_what_was_taken_up_or_asks_for_nothing_is_not(text: str) -> None:
    assert unheard([Statement(id="S-001", text=text)], LOANS) == ()


def test_a_sentence_passed_over_costs_the_a_and_is_quoted() -> None:
    passed_over = Statement(id="S-002", text="A hammer has a weight, a handle length and a colour.")
    brief = replace(PARTS.brief, statements=(*PARTS.brief.statements, passed_over))
    letter, reasons = grade(replace(PARTS, brief=brief), (), (), INPUTS)
    assert letter == "B"
    assert "handle length" in reasons[0]
