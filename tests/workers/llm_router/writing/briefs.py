"""Hand-made briefs of every kind, and one whose words are meant to break what is written."""

from __future__ import annotations

from msgspec.structs import replace

from contracts.artifacts import Brief, Entity, Field, Operation, OperationName, Statement

_CRUD: tuple[OperationName, ...] = ("create", "read", "list", "update", "delete")


def _all(entity: str) -> tuple[Operation, ...]:
    return tuple(Operation(name=name, entity=entity) for name in _CRUD)


SHOP = Brief(
    name="book-shop",
    title="Book shop",
    summary="Keeps authors and the books they wrote.",
    kind="rest_api",
    language="python",
    statements=(
        Statement(id="S-001", text="A REST API for a book shop with authors and books."),
        Statement(id="S-002", text="Books can be filtered by status, price and author, and exported as CSV."),
        Statement(id="S-003", text="It should be nice."),
    ),
    entities=(
        Entity(
            name="Book",
            plural="books",
            fields=(
                Field(name="title", minimum=1, maximum=200),
                Field(name="isbn", unique=True, minimum=10, maximum=13),
                Field(name="price", type="number", minimum=0),
                Field(name="pages", type="integer", minimum=1, maximum=5000, required=False),
                Field(name="published_on", type="date", required=False),
                Field(name="in_print", type="boolean", default="true", required=False),
                Field(name="status", type="enum", choices=("draft", "published", "retired"), default='"draft"'),
                Field(name="author", type="reference", references="Author"),
                Field(name="sequel_of", type="reference", references="Book", required=False),
            ),
        ),
        Entity(
            name="Author",
            plural="authors",
            fields=(
                Field(name="name", maximum=100, unique=True),
                Field(name="email", type="email", required=False),
                Field(name="home_page", type="url", required=False),
                Field(name="born", type="datetime", required=False),
            ),
        ),
    ),
    operations=(
        *_all("Author"),
        *_all("Book"),
        Operation(name="list", entity="Book", fields=("status", "price", "author", "in_print", "published_on")),
        Operation(name="search", entity="Book", fields=("title",)),
        Operation(name="search", entity="Author"),
        Operation(name="export", entity="Book", format="csv"),
        Operation(name="export", entity="Book", format="json"),
        Operation(name="transition", entity="Book", field="status", to="published", sources=("draft",)),
        Operation(name="transition", entity="Book", field="status", to="retired", sources=("published",)),
    ),
)

HOSTILE = Brief(
    name="list",
    title='Shop """ {x} \\ \'quoted\' `rm` # <b>',
    summary='It says """ and {braces} and \\n and %s and "quotes" and ends with a backslash \\',
    kind="rest_api",
    language="python",
    statements=(Statement(id="S-001", text='Orders are in state """, {x} or \\.'),),
    entities=(
        Entity(
            name="Order",
            plural="order",
            fields=(
                Field(name="select", maximum=2),
                Field(name="class", type="integer", minimum=-1, maximum=1),
                Field(name="date", type="date"),
                Field(name="datetime", type="datetime", required=False),
                Field(name="type", type="enum", choices=('a"""b', "c\\", "{d}", "it's", "e%f", "ünïcode \u2028?")),
                Field(name="password", required=False, maximum=72),
                Field(name="group", type="reference", references="Group", unique=True),
                Field(name="json", default='"x\\"y"', required=False),
                Field(name="done", type="boolean", required=False),
                Field(name="order_input", type="number", minimum=0.5, maximum=2),
            ),
        ),
        Entity(
            name="Group",
            plural="groups",
            fields=(Field(name="from"), Field(name="list", type="reference", references="List")),
        ),
        Entity(name="List", plural="lists", fields=(Field(name="field", type="integer"), Field(name="id"))),
        Entity(
            name="Exception", plural="class", fields=(Field(name="next", type="reference", references="Exception"),)
        ),
        Entity(name="User", plural="users", fields=(Field(name="annotated"), Field(name="literal", maximum=1))),
    ),
    operations=(
        *_all("Order"),
        Operation(name="list", entity="Order", fields=("type", "date", "class", "order_input", "group", "done")),
        Operation(name="search", entity="Order"),
        Operation(name="export", entity="Order", format="csv"),
        Operation(name="transition", entity="Order", field="type", to="c\\", sources=('a"""b', "it's")),
        Operation(name="transition", entity="Order", field="type", to="it's", sources=('a"""b',)),
        Operation(name="transition", entity="Order", field="done", to="true"),
        Operation(name="delete", entity="Group"),
        Operation(name="search", entity="User", fields=("annotated",)),
    ),
)  # fmt: skip

TRACKER = Brief(
    name="task-tracker",
    title="Task tracker",
    summary="Keeps tasks on the command line.",
    kind="cli",
    language="python",
    statements=(Statement(id="S-001", text="A command line tool to add, list and finish tasks in projects."),),
    entities=(
        Entity(name="Project", plural="projects", fields=(Field(name="name", unique=True, maximum=40),)),
        Entity(
            name="Task",
            plural="tasks",
            fields=(
                Field(name="title", maximum=80),
                Field(name="priority", type="integer", minimum=1, maximum=5, default="3"),
                Field(name="due", type="date", required=False),
                Field(name="state", type="enum", choices=("open", "doing", "done"), default='"open"'),
                Field(name="effort", type="number", minimum=0, required=False),
                Field(name="urgent", type="boolean", required=False),
                Field(name="project", type="reference", references="Project", required=False),
            ),
        ),
    ),
    operations=(
        *_all("Task"),
        Operation(name="create", entity="Project"),
        Operation(name="delete", entity="Project"),
        Operation(name="list", entity="Task", fields=("state", "due", "project", "priority")),
        Operation(name="search", entity="Task", fields=("title",)),
        Operation(name="export", entity="Task", format="csv"),
        Operation(name="export", entity="Task", format="json"),
        Operation(name="transition", entity="Task", field="state", to="doing", sources=("open",)),
        Operation(name="transition", entity="Task", field="state", to="done", sources=("open", "doing")),
    ),
)

LENDING = replace(
    SHOP,
    name="lending",
    title="Lending",
    summary="A library that keeps books and their authors in memory.",
    kind="library",
)

COMPUTING = Brief(
    name="text-tools",
    title="Text tools",
    summary="Functions on text.",
    kind="library",
    language="python",
    statements=(Statement(id="S-001", text="A library with slugify, truncate and word counts."),),
    operations=tuple(
        Operation(name="function", function=name)
        for name in ("slugify", "truncate", "word_count", "levenshtein_distance", "reading_time")
    ),
)
