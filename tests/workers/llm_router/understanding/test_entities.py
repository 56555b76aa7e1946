"""Entities: their names, their plurals, and what they point to."""

import pytest

from tests.workers.llm_router.understanding.reading import entity, field, read, types
from workers.llm_router.blueprint.understanding.inflect import plural, singular


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("book", "books"), ("category", "categories"), ("box", "boxes"), ("bus", "buses"), ("status", "statuses"),
        ("person", "people"), ("child", "children"), ("house", "houses"), ("course", "courses"),
        ("expense", "expenses"),
        ("movie", "movies"), ("shelf", "shelves"), ("address", "addresses"), ("branch", "branches"), ("hero", "heroes"),
        ("series", "series"), ("analysis", "analyses"), ("purchase", "purchases"), ("key", "keys"), ("quiz", "quizzes"),
    ],
)  # fmt: skip
def test_singular_and_plural(one: str, many: str) -> None:
    assert plural(one) == many
    assert singular(many) == one
    assert singular(one) == one


def test_names_are_singular_and_in_camel_case() -> None:
    found = entity("REST API. Order lines: quantity, unit price.")
    assert (found.name, found.plural) == ("OrderLine", "order_lines")


def test_a_compound_is_its_head_where_the_head_stands_alone() -> None:
    brief = read("CLI for museum exhibits. An exhibit has a title. Work orders: subject, priority 1 to 3.")
    assert [entity.name for entity in brief.entities] == ["Exhibit", "WorkOrder"]


@pytest.mark.parametrize(
    "prompt",
    [
        "REST API. Projects have a name. A task belongs to a project and has a title.",
        "REST API. Project: name. Task: project, title.",
        "REST API. A project has a name and has many tasks. A task has a title.",
        "REST API. A project has a name. A task has a title and is assigned to a project.",
        "REST API. Projects have a name. Tasks have a title and a project_id.",
        "REST API. Project: name. Task: title, project -> Project.",
    ],
)
def test_references_are_on_the_right_side(prompt: str) -> None:
    assert field(prompt, "project", "Task").references == "Project"
    assert "task" not in types(prompt, "Project")


def test_a_thing_that_links_two_others_points_to_both() -> None:
    prompt = (
        "REST API. Students have a name. Courses have a title. An enrolment links a student with a course and has a "
        "grade."
    )
    assert types(prompt, "Enrolment") == {"student": "reference", "course": "reference", "grade": "integer"}


def test_a_thing_that_is_only_pointed_to_gets_a_name() -> None:
    brief = read("REST API. An invoice belongs to a customer and has a total.")
    assert types("REST API. An invoice belongs to a customer and has a total.", "Customer") == {"name": "text"}
    assert any("Customer" in assumption for assumption in brief.assumptions)


def test_people_who_use_it_are_no_entities() -> None:
    brief = read("As a librarian I want to add books with title and author. As a librarian I want to delete a book.")
    assert [entity.name for entity in brief.entities] == ["Book"]


def test_the_software_is_no_entity() -> None:
    brief = read("The application has a REST interface and a database. The API has endpoints for notes (title, body).")
    assert [entity.name for entity in brief.entities] == ["Note"]


def test_at_most_twelve_are_kept() -> None:
    names = [f"{first}{second}ing" for first in "bcdfgh" for second in ("alk", "ork", "unt")]
    brief = read("REST API. " + " ".join(f"A {name} has a title and a price." for name in names))
    assert len(brief.entities) <= 12
