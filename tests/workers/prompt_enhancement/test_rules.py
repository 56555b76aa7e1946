"""Which briefs are refused."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from contracts.artifacts import Brief, Statement
from tests.kit.llm.asking import Saying
from tests.workers.chain import SUBMISSION, brief, run
from workers.kit.stage import Unfit
from workers.prompt_enhancement.stage import PromptEnhancement, check

NAMES = ["..", "../x", "/etc", "a/b", "a\0b", "n" * 300, "", "Book", "a b", "-x", "a--b", "x\n", "é"]


def test_a_sound_brief_passes() -> None:
    check(brief(), SUBMISSION)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_slug_is_refused(name: str) -> None:
    with pytest.raises(Unfit, match="the name of the package") as refused:
        check(replace(brief(), name=name), SUBMISSION)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda b: replace(b, title=""), "the title is empty"),
        (lambda b: replace(b, title="two\nlines"), "more than one line"),
        (lambda b: replace(b, title="a\u202eb"), r"U\+202E"),
        (lambda b: replace(b, summary="a\0b"), r"U\+0000"),
        (lambda b: replace(b, language="java"), "the language was settled as 'python'"),
        (lambda b: replace(b, statements=()), "1 to 2000 statements"),
        (lambda b: replace(b, statements=b.statements * 2), "two statements are called 'S-001'"),
        (lambda b: replace(b, statements=(Statement(id="1", text="x"),)), "no id for statements"),
        (lambda b: replace(b, statements=(Statement(id="S-001", text=" "),)), "S-001 is empty"),
        (lambda b: replace(b, operations=()), "no operation"),
        (lambda b: replace(b, entities=b.entities * 2), "two entities"),
    ],
)
def test_a_brief_that_breaks_a_rule_is_refused(change: Callable[[Brief], Brief], sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check(change(brief()), SUBMISSION)


async def test_the_model_gets_one_chance_to_mend_it() -> None:
    good = _json(brief())
    bad = _json(replace(brief(), name="../x"))
    mended = Saying(bad, good)
    assert await PromptEnhancement(mended.llm)(SUBMISSION, run("prompt_enhancement")) == brief()
    with pytest.raises(Unfit, match="the name of the package"):
        await PromptEnhancement(Saying(bad, bad).llm)(SUBMISSION, run("prompt_enhancement"))


def _json(value: Brief) -> str:
    return msgspec.json.encode(value).decode()
