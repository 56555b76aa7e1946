"""Fields: the ways to list them, their types, and what is said about each."""

import pytest

from tests.workers.llm_router.understanding.reading import entity, field, types

BOOK = {"title": "text", "author": "text", "pages": "integer"}


@pytest.mark.parametrize(
    "prompt",
    [
        "REST API. A book has a title, an author and pages.",
        "REST API. Book: title, author, pages.",
        "REST API. Book (title, author, pages).",
        "REST API. book = title, author, pages",
        "REST API for books with title, author and pages.",
        "REST API. Each book should have the following fields: title, author, pages.",
        "REST API. Books consist of a title, an author and pages.",
        "REST API. For every book store the title, the author and the pages.",
        "REST API. Record the title, author and pages of each book.",
        "REST API. I want to add books (title, author, pages).",
        "REST API. Fields of a book: title, author, pages.",
        "REST API. There are books. They have a title, an author and pages.",
        "REST API.\n\nA book has:\n- title\n- author\n- pages\n",
        "REST API.\n\n## Book\n- title: string\n- author: text\n- pages: int\n",
        "REST API.\n\nBook\n  title\n  author\n  pages\n\nCRUD for books.",
        "REST API\n\nBook fields:\n\n| field | type |\n|---|---|\n| title | text |\n| author | text |\n| pages | int |",
        "REST API. Book(title: str, author: str, pages: int)",
    ],
)
def test_a_list_of_fields_is_found(prompt: str) -> None:
    assert types(prompt, "Book") == BOOK


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("price", "number"), ("total amount", "number"), ("weight in kg", "number"), ("salary", "number"),
        ("quantity", "integer"), ("age", "integer"), ("year", "integer"), ("number of rooms", "integer"),
        ("is_active", "boolean"), ("done flag", "boolean"), ("whether it is paid", "boolean"),
        ("birthday", "date"), ("due date", "date"), ("date of birth", "date"), ("bought on", "date"),
        ("start time", "datetime"), ("created_at", "datetime"), ("timestamp", "datetime"),
        ("email", "email"), ("contact e-mail", "email"), ("website", "url"), ("source link", "url"),
        ("phone number", "text"), ("serial number", "text"), ("notes", "text"), ("duration in minutes", "integer"),
        ("colour (red, green, blue)", "enum"), ("state open/closed", "enum"),
        ("size that is one of small, medium or large", "enum"), ("mood: good, fair or bad", "enum"),
        ("score (integer)", "integer"), ("code (string)", "text"), ("ratio (float)", "number"),
    ],
)  # fmt: skip
def test_a_type_is_told_from_words_and_names(name: str, kind: str) -> None:
    found = list(types(f"REST API. Item: label, {name}.", "Item").values())
    assert found == ["text", kind]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("stars between 1 and 5", 1, 5), ("stars (1-5)", 1, 5), ("stars 1..5", 1, 5), ("stars from 1 to 5", 1, 5),
        ("stock (at least 3)", 3, None), ("stock >= 0", 0, None), ("stock (non-negative)", 0, None),
        ("stock (positive)", 1, None), ("stock greater than 0", 1, None), ("stock (at most 9)", None, 9),
        ("price greater than 0", 0.01, None), ("price (must not be negative)", 0, None),
        ("name (up to 200 characters)", None, 200), ("name (max 80 chars)", None, 80),
    ],
)  # fmt: skip
def test_bounds_are_inclusive(text: str, low: float | None, high: float | None) -> None:
    found = entity(f"REST API. Item: label, {text}.", "Item").fields[1]
    assert (found.minimum, found.maximum) == (low, high)


@pytest.mark.parametrize(
    "said", ["an optional note", "a note (optional)", "a note, which may be empty", "optionally a note"]
)
def test_a_field_can_be_optional(said: str) -> None:
    prompt = f"REST API. A task has a title and {said}."
    assert not field(prompt, "note").required
    assert field(prompt, "title").required


@pytest.mark.parametrize(
    "prompt",
    [
        "REST API. Members: name, unique email.",
        "REST API. Members: name, email (unique).",
        "REST API. A member has a name and an email, which must be unique.",
        "REST API. Members have a name and an email. No two members share an email.",
        "REST API. Members have a name and an email. The email must be unique.",
    ],
)
def test_a_field_can_be_unique(prompt: str) -> None:
    assert field(prompt, "email").unique
    assert not field(prompt, "name").unique


@pytest.mark.parametrize(
    "prompt",
    [
        "REST API. Ticket: title, status (open, closed; defaults to open).",
        "REST API. Ticket: title, status open/closed. The status defaults to open.",
        "REST API. Tickets have a title and a status that is one of open or closed. Status is open by default.",
    ],
)
def test_a_default_is_json(prompt: str) -> None:
    found = field(prompt, "status")
    assert found.choices[:2] == ("open", "closed")
    if "(open" not in prompt:
        assert found.default == '"open"'


def test_rules_in_later_sentences_reach_their_field() -> None:
    prompt = (
        "REST API. A product has a name, a price and a note. The name is required and at most 50 characters long. "
        "The price must be at least 1. The note is optional."
    )
    assert field(prompt, "name").maximum == 50
    assert field(prompt, "price").minimum == 1
    assert not field(prompt, "note").required


def test_a_rule_may_bring_a_field_of_its_own() -> None:
    prompt = "REST API. An event has a title. Capacity must be a positive integer."
    assert field(prompt, "capacity").type == "integer"


def test_two_names_may_share_a_head() -> None:
    prompt = "REST API. A course has a title, a start and end date, and a first and last name of the teacher."
    assert list(types(prompt)) == ["title", "start_date", "end_date", "first_name", "last_name"]


def test_keywords_and_the_id_are_no_names() -> None:
    found = types("REST API. Lesson: id, title, class, from, type, is, lambda.")
    assert "id" not in found
    assert not {"class", "from", "lambda", "is"} & set(found)
    assert "type" in found


def test_names_are_cut_and_fields_counted() -> None:
    found = entity("REST API. Item: " + "x" * 300 + ", " + ", ".join(f"part{number}" for number in range(40)) + ".")
    assert len(found.fields) <= 20
    assert all(len(field.name) <= 60 for field in found.fields)
