"""Which requirements documents are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from contracts.artifacts import Frd, FrdItem
from tests.workers.chain import brief, frd
from workers.frd_generation.stage import check
from workers.kit.stage import Unfit


def first(change: Callable[[FrdItem], FrdItem]) -> Callable[[Frd], Frd]:
    return lambda document: replace(document, items=(change(document.items[0]), *document.items[1:]))


def test_a_sound_document_passes() -> None:
    check(frd(), brief())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: replace(f, name="other"), "the name was settled"),
        (lambda f: replace(f, kind="cli"), "the kind was settled"),
        (lambda f: replace(f, items=()), "1 to 1000 items"),
        (lambda f: replace(f, items=f.items * 2), "two items are called"),
        (first(lambda item: replace(item, text="")), "the text of F-001 is empty"),
        (first(lambda item: replace(item, section="a\nb")), "the section of F-001"),
        (first(lambda item: replace(item, statements=("S-999",))), "F-001 names 'S-999', which does not exist"),
        (lambda f: replace(f, items=tuple(replace(i, statements=()) for i in f.items)), "answers .* S-001"),
        (lambda f: replace(f, entities=()), "names 'Book', which does not exist"),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused(change: Callable[[Frd], Frd], sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check(change(frd()), brief())
