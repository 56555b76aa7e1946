"""Operations: what is asked for, of what, by which fields."""

import pytest

from tests.workers.llm_router.understanding.reading import field, operation, operations, read

BOOKS = "REST API. A book has a title, an author, a price and a status (new, sold). "
CRUD = {"create", "read", "list", "update", "delete"}


@pytest.mark.parametrize(
    "said",
    [
        "Manage books.", "CRUD for books.", "Create, read, update and delete books.", "Users maintain books.",
        "Books can be added, viewed, changed and removed.", "It must be possible to add, see, edit and delete books.",
        "Full CRUD.", "Nothing is said.",
        "POST /books, GET /books, GET /books/{id}, PUT /books/{id} and DELETE /books/{id}.",
    ],
)  # fmt: skip
def test_all_five(said: str) -> None:
    assert operations(BOOKS + said, "Book") == CRUD


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Only add and list books.", {"create", "list"}),
        ("Add books and remove them.", {"create", "delete", "read", "list"}),
        ("Register a book, edit it and throw it away.", {"create", "read", "list", "update"}),
        ("Books can't be deleted.", CRUD - {"delete"}),
        ("Nobody may delete a book.", CRUD - {"delete"}),
    ],
)
def test_only_what_is_named_and_what_goes_with_it(said: str, expected: set[str]) -> None:
    assert operations(BOOKS + said, "Book") >= expected - {"update"}
    assert ("delete" in operations(BOOKS + said, "Book")) == ("delete" in expected)


@pytest.mark.parametrize(
    "said",
    [
        "List books by author and status.", "Filter books by author and status.",
        "Books are filterable by author and status.",
        "Add books, list them filtered by author or status.", "The list can be filtered by author and by status.",
    ],
)  # fmt: skip
def test_lists_have_filters(said: str) -> None:
    assert operation(BOOKS + said, "list").fields == ("author", "status")


@pytest.mark.parametrize(
    "said",
    ["Search books by title.", "Find books by title.", "Books can be searched by title.", "Look for books by title."],
)
def test_search(said: str) -> None:
    assert operation(BOOKS + said, "search").fields == ("title",)


@pytest.mark.parametrize(
    ("said", "format_"),
    [
        ("Export books to CSV.", "csv"), ("CSV export of all books.", "csv"),
        ("Books can be exported as JSON.", "json"),
        ("Download the books as CSV.", "csv"),
    ],
)  # fmt: skip
def test_export(said: str, format_: str) -> None:
    assert operation(BOOKS + said, "export").format == format_


@pytest.mark.parametrize(
    "said", ["Mark a book as sold.", "Sell a book.", "Books can be sold.", "Set the status of a book to sold."]
)
def test_a_change_of_state_uses_the_field_that_lists_it(said: str) -> None:
    found = operation(BOOKS + said, "transition")
    assert (found.entity, found.field, found.to) == ("Book", "status", "sold")


def test_a_single_state_is_a_flag() -> None:
    prompt = "CLI. Tasks have a title. Mark a task as done."
    assert field(prompt, "done").type == "boolean"
    assert (operation(prompt, "transition").field, operation(prompt, "transition").to) == ("done", "true")


def test_several_states_are_a_status() -> None:
    prompt = "REST API. A book has a title. A book can be borrowed and returned."
    assert field(prompt, "status").choices == ("available", "borrowed")
    assert {found.to for found in read(prompt).operations if found.name == "transition"} == {"available", "borrowed"}


def test_sources_where_they_are_said() -> None:
    prompt = "REST API. A post has a title and a status (draft, sent, void). Move a post from draft to sent."
    assert operation(prompt, "transition").sources == ("draft",)


def test_steps_from_one_state_to_the_next() -> None:
    prompt = "REST API. An order has a total. An order goes from new to paid to shipped."
    assert field(prompt, "status").choices == ("new", "paid", "shipped")
    assert {found.to for found in read(prompt).operations if found.name == "transition"} == {"paid", "shipped"}


def test_each_thing_has_its_own() -> None:
    prompt = (
        "REST API. Book: title. Member: name. Add, list and delete books. Members are created and listed, nothing else."
    )
    assert "delete" in operations(prompt, "Book")
    assert "delete" not in operations(prompt, "Member")


def test_commands_without_an_object_are_for_the_main_thing() -> None:
    assert operations("CLI. Task: title. Commands: `todo add`, `todo list`, `todo done`, `todo rm`.", "Task") >= {
        "create", "list", "delete", "transition",
    }  # fmt: skip
