"""Running prose: who is spoken of, what a sentence begins with, states told in passing, and what is ruled out."""

import pytest

from tests.workers.llm_router.understanding.reading import operations, refused, types


@pytest.mark.parametrize(
    ("prompt", "owner", "fields"),
    [
        ("REST API for kites. For kites we need the name and the length in metres.", "Kite", {"name", "length"}),
        ("CLI. Kites: we need their name and colour.", "Kite", {"name", "colour"}),
        (
            "CLI. Owners have a name. A kite is flown by hand. It has a colour and a price.",
            "Kite",
            {"colour", "price"},
        ),
        ("CLI. Kites are kept apart: they have a name and a price.", "Kite", {"name", "price"}),
        ("CLI. Members of the club have a name and an email.", "Member", {"name", "email"}),
        ("CLI. A kite has a name, a maker (unique), and, if known, a price.", "Kite", {"name", "maker", "price"}),
        ("CLI. A kite has a name; unique; a price per metre.", "Kite", {"name", "price_per_metre"}),
        ("CLI. A loan has a name, the day it came back and the year they joined.", "Loan",
         {"name", "returned_on", "year_joined"}),
        ("CLI. Flight: pilot; starts at; ends at; club?, price.", "Flight",
         {"pilot", "starts_at", "ends_at", "club", "price"}),
        (
            "CLI. A kite has a name. A flight links a kite to a meadow and stores when it began. Meadow: name, size.",
            "Flight",
            {"kite", "meadow", "began_at"},
        ),
    ],
)  # fmt: skip
def test_whose_fields_they_are(prompt: str, owner: str, fields: set[str]) -> None:
    assert set(types(prompt, owner)) == fields


@pytest.mark.parametrize(
    "state",
    [
        "A request is pending at first and can later be approved or rejected.",
        "A request is pending until somebody approves or rejects it.",
        "New requests are pending, and the owner then approves or rejects them.",
    ],
)
def test_a_first_state_is_a_status(state: str) -> None:
    prompt = f"REST API. A request has a title and a date. {state} Add and list requests."
    assert types(prompt, "Request") == {"title": "text", "date": "date", "status": "enum"}
    assert "transition" in operations(prompt, "Request")


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("CLI. Kite: name, price. Kites can be added and listed. Nothing is ever deleted.", {"create", "read", "list"}),
        ("CLI. Kite: name, price. Kites can only be added and listed.", {"create", "list"}),
        ("CLI. Flight: name, day. I book flights: add, list and cancel them.", {"create", "read", "list", "delete"}),
        ("CLI. Kite: name, price. Add kites and look them up by name.", {"create", "read", "list", "search"}),
        ("CLI. Kite: name, price. Commands: add-kite, remove-kite.", {"create", "read", "list", "delete"}),
    ],
)
def test_what_is_asked_for(prompt: str, asked: set[str]) -> None:
    assert operations(prompt, "Kite" if "Kite" in prompt else "Flight") == asked


def test_what_only_computes_is_never_made_into_records() -> None:
    prompt = "A library without any state. Functions wanted: frobnicate(text) - turns it; twist(text) - twists it."
    assert "functions" in refused(prompt)
