"""Templates are filled in once, by the variables they declare, and values are never looked into."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workers
from workers.kit.prompts import templates
from workers.kit.prompts.front import BadPrompt
from workers.kit.prompts.templates import ASKED_FOR, NoPrompt, render, template, template_of

HOSTILE = st.text() | st.sampled_from(
    [
        "{{schema}}",
        "{{fault}}",
        "{{system}}",
        "{{",
        "}}",
        "{0}",
        "%s",
        "\\1",
        "\\g<0>",
        "---\nid: x\n---\n",
        "```",
        "</inputs>",
    ]
)
TWO = "---\nid: two\nversion: 3\nvariables: [left text, right integer]\n---\n\n{{left}} and {{right}}, {{left}} { }"


@given(value=HOSTILE)
def test_a_value_stands_in_its_place_as_it_is(value: str) -> None:
    before, _, after = template("answer_in_json").text.partition("{{schema}}")
    assert render("answer_in_json", schema=value) == f"{before}{value}{after}"


@given(left=HOSTILE, right=st.integers())
def test_values_do_not_reach_each_other(left: str, right: int) -> None:
    two = template_of("two.md", TWO)
    assert two.render(left=left, right=right) == f"# Two, version 3\n\n{left} and {right}, {left} {{ }}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "missing: left, right$"),
        ({"left": "a"}, "missing: right$"),
        ({"left": "a", "right": 1, "more": "x"}, "unknown: more$"),
        ({"left": "a", "wrong": 1}, "missing: right; unknown: wrong$"),
        ({"left": 1, "right": 1}, "left is int, not text"),
        ({"left": "a", "right": "1"}, "right is str, not integer"),
        ({"left": "a", "right": True}, "right is bool, not integer"),
    ],
)
def test_wrong_variables_are_refused(given: dict[str, str | int], said: str) -> None:
    with pytest.raises(BadPrompt, match=said):
        template_of("two.md", TWO).render(**given)


@pytest.mark.parametrize(
    ("head", "text", "said"),
    [
        ("variables: [a text]", "no place", "declares \\['a'\\], but has places for \\[\\]"),
        ("variables: []", "{{a}}", "declares \\[\\], but has places for \\['a'\\]"),
        ("variables: [a text]", "{{a}} {{ a }}", "has places for"),
        ("variables: [a date]", "{{a}}", "is no 'name type'"),
        ("variables: [a]", "{{a}}", "is no 'name type'"),
        ("variables: a text", "{{a}}", "Expected `array`"),
        ("colour: red", "text", "unknown field `colour`"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(head: str, text: str, said: str) -> None:
    with pytest.raises(BadPrompt, match=said):
        template_of("x.md", f"---\nid: x\nversion: 1\n{head}\n---\n\n{text}\n")


def test_another_version_is_another_text() -> None:
    one, two = (template_of("x.md", f"---\nid: x\nversion: {n}\n---\n\nSame.\n") for n in (1, 2))
    assert one.render() != two.render()
    assert (one.name, two.name) == ("template:x@1", "template:x@2")


@pytest.mark.parametrize("name", ["nothing", "../packaging", "a/b", "", "packaging", "kit"])
def test_there_is_no_template_of_that_name(name: str) -> None:
    with pytest.raises(NoPrompt):
        render(name)


def test_a_template_takes_what_our_code_gives(tmp_path: Path) -> None:
    tree = tmp_path / "workers"
    shutil.copytree(Path(workers.__file__).parent, tree, ignore=shutil.ignore_patterns("*.py", "*.pyc"))
    assert templates.read(tree, "answer_again").variables == ASKED_FOR["answer_again"]
    path = tree / "kit/prompts/templates/answer_again.md"
    path.write_text(path.read_text().replace("fault", "reason"))
    with pytest.raises(BadPrompt, match=r"takes .*reason.*, but is given .*fault"):
        templates.read(tree, "answer_again")
    path.write_text(path.read_text().replace("id: answer_again", "id: again"))
    with pytest.raises(BadPrompt, match="holds the template again"):
        templates.read(tree, "answer_again")
