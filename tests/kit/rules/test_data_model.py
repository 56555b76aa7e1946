"""Which data models are refused."""

from __future__ import annotations

import pytest

from contracts.artifacts import Entity, Field, Operation
from workers.kit.rules.data_model import check_data_model
from workers.kit.stage import Unfit

BOOK = Entity(
    name="Book",
    plural="books",
    fields=(
        Field(name="title"),
        Field(name="state", type="enum", choices=("new", "sold")),
        Field(name="gone", type="boolean"),
    ),
)
LIST = Operation(name="list", entity="Book", fields=("title",))
HOSTILE = ["", "..", "../x", "/etc", "a/b", "a\0b", "n" * 300, "a b", "a-b", "class", "a;b", "é", "1a", "a\n", "_a"]


def fields(*changed: Field) -> tuple[Entity, ...]:
    return (Entity(name="Book", plural="books", fields=changed),)


def test_a_sound_model_passes() -> None:
    check_data_model(
        (BOOK, Entity(name="Sale", plural="sales", fields=(Field(name="book", type="reference", references="Book"),))),
        (
            LIST,
            Operation(name="transition", entity="Book", field="state", to="sold", sources=("new",)),
            Operation(name="transition", entity="Book", field="gone", to="true"),
            Operation(name="export", entity="Book", format="csv"),
            Operation(name="function", function="slugify"),
        ),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_no_identifier_is_refused_wherever_it_stands(name: str) -> None:
    for entities, operation in [
        ((Entity(name=name, plural="books", fields=BOOK.fields),), Operation(name="list", entity=name)),
        ((Entity(name="Book", plural=name, fields=BOOK.fields),), LIST),
        (fields(Field(name=name)), Operation(name="list", entity="Book")),
        ((BOOK,), Operation(name="function", function=name)),
        ((BOOK,), Operation(name="list", entity=f"{name}X")),
        ((BOOK,), Operation(name="list", entity="Book", fields=(f"{name}x",))),
    ]:
        with pytest.raises(Unfit) as refused:
            check_data_model(entities, (operation,))
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        (Field(name="id"), "'id', which is implied"),
        (Field(name="a", minimum=2, maximum=1), "minimum above its maximum"),
        (Field(name="a", type="enum"), "an enum with choices, or neither"),
        (Field(name="a", choices=("x",)), "an enum with choices, or neither"),
        (Field(name="a", type="enum", choices=("x", "X")), "two choices"),
        (Field(name="a", type="enum", choices=("",)), "is empty"),
        (Field(name="a", type="enum", choices=("x\ny",)), "more than one line"),
        (Field(name="a", type="reference"), "which does not exist"),
        (Field(name="a", type="reference", references="Ghost"), "names 'Ghost'"),
        (Field(name="a", references="Book"), "is of type text"),
        (Field(name="a", default="{"), "not JSON"),
        (Field(name="a", default="[" * 100_000), "not JSON"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(field: Field, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check_data_model(fields(field), (Operation(name="list", entity="Book"),))


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (Operation(name="transition", entity="Book", field="title", to="x"), "neither an enum nor a boolean"),
        (Operation(name="transition", entity="Book", field="ghost", to="x"), "names 'ghost'"),
        (Operation(name="transition", entity="Book", field="state", to="lost"), "names 'lost'"),
        (Operation(name="transition", entity="Book", field="state", to="sold", sources=("x",)), "names 'x'"),
        (Operation(name="export", entity="Book"), "no format"),
        (Operation(name="export", entity="Book", format="../csv"), "no format"),
    ],
)
def test_an_operation_that_makes_no_sense_is_refused(operation: Operation, sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check_data_model((BOOK,), (operation,))


def test_there_is_an_end_to_everything() -> None:
    with pytest.raises(Unfit, match="1 to 100 fields"):
        check_data_model(fields(*(Field(name=f"f{n}") for n in range(101))), (LIST,))
    many = tuple(Entity(name=f"E{n}", plural=f"e{n}", fields=BOOK.fields) for n in range(61))
    with pytest.raises(Unfit, match="more than 60 entities"):
        check_data_model(many, (Operation(name="list", entity="E1"),))
    with pytest.raises(Unfit, match="two entities"):
        check_data_model((BOOK, BOOK), (LIST,))
    with pytest.raises(Unfit, match="no operation"):
        check_data_model((BOOK,), ())
